"""Four ways to a fine number that means nothing, on your own embeddings.

closegap embed runs/a --split train --out train.safetensors
closegap embed runs/a --split test --out test.safetensors
python examples/traps.py train.safetensors test.safetensors
"""

import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812

from closegap import EmbeddingSet
from closegap.metrics.cosines import cosine_null, cosine_true_pairs
from closegap.metrics.gap import modality_gap
from closegap.metrics.positives import Pairs, rows_of
from closegap.metrics.ranks import retrieval_ranks
from closegap.metrics.retrieval import recall_at_k
from closegap.posthoc import Center

BATCH = 64


def main(train_file: str, test_file: str) -> None:
    train, test = EmbeddingSet.load(Path(train_file)), EmbeddingSet.load(Path(test_file))
    a, b = next(combinations(test.modalities, 2))
    shown = {
        "as trained": test,
        "means of train subtracted": Center().fit(train).apply(test),
        "means of the test set subtracted": Center().fit(test).apply(test, in_sample=True),
        "a constant vector added to every row": cone(test),
    }
    print(f"| {a}, {b} | gap | cosine of true pairs | null | R@10, gallery {len(test.ids)} | R@10 among {BATCH} |")
    print("|---|---|---|---|---|---|")
    for name, embeddings in shown.items():
        x, y = rows_of(embeddings, a), rows_of(embeddings, b)
        pairs = Pairs(x.cases, y.cases)
        values = (
            modality_gap(x.embeddings, y.embeddings),
            cosine_true_pairs(x.embeddings, y.embeddings, pairs),
            cosine_null(x.embeddings, y.embeddings, pairs),
        )
        recalls = (recall(embeddings, a, b), recall_in_batches(embeddings, a, b))
        print(
            f"| {name} | {' | '.join(f'{v:.3f}' for v in values)} | {' | '.join(f'{100 * r:.1f}%' for r in recalls)} |"
        )


def cone(embeddings: EmbeddingSet) -> EmbeddingSet:
    """Every row pushed the same way: all cosines rise, none tells more than before."""
    width = next(iter(embeddings.embeddings.values())).shape[1]
    push = 2 * F.normalize(torch.randn(width, generator=torch.Generator().manual_seed(0)), dim=0)
    return replace(
        embeddings, embeddings={name: F.normalize(rows + push, dim=1) for name, rows in embeddings.embeddings.items()}
    )


def recall(embeddings: EmbeddingSet, a: str, b: str) -> float:
    x, y = rows_of(embeddings, a), rows_of(embeddings, b)
    return recall_at_k(retrieval_ranks(x.embeddings, y.embeddings, Pairs(x.cases, y.cases)), 10).item()


def recall_in_batches(embeddings: EmbeddingSet, a: str, b: str) -> float:
    """Recall among the few rows of a batch, which says how large a batch is."""
    order = torch.randperm(len(embeddings.ids), generator=torch.Generator().manual_seed(0)).split(BATCH)
    found = [recall(embeddings.select(rows.tolist()), a, b) for rows in order if len(rows) == BATCH]
    return sum(found) / len(found)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
