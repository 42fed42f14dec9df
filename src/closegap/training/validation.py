"""The few numbers that are watched while a model trains."""

from itertools import combinations
from statistics import fmean

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.cosines import cosine_null, cosine_true_pairs
from closegap.metrics.gap import modality_gap
from closegap.metrics.positives import Pairs, rows_of
from closegap.metrics.retrieval import recall_at_k, retrieval_ranks


def validation_metrics(embeddings: EmbeddingSet) -> dict[str, float]:
    """Gap, cosine of true pairs with its null, and Recall@1/5/10 both ways over the full gallery.

    With more than two modalities each pair's names carry it (`image|report:gap`). `R@K` alone is the mean over pairs
    and directions. Pairs of modalities that no case has together are left out.
    """
    metrics: dict[str, float] = {}
    recalls: dict[str, list[float]] = {}
    pairs = list(combinations(embeddings.modalities, 2))
    for a, b in pairs:
        prefix = f"{a}|{b}:" if len(pairs) > 1 else ""
        x, y = rows_of(embeddings, a), rows_of(embeddings, b)
        shared = Pairs(x.cases, y.cases)
        if len(shared.positives()[0]) == 0 or shared.cases < 2:
            continue
        metrics[f"{prefix}gap"] = modality_gap(x.embeddings, y.embeddings).item()
        metrics[f"{prefix}cos_true_pairs"] = cosine_true_pairs(x.embeddings, y.embeddings, shared).item()
        metrics[f"{prefix}cos_null"] = cosine_null(x.embeddings, y.embeddings, shared).item()
        for source, target, queries, gallery, cases in ((a, b, x, y, shared), (b, a, y, x, shared.swapped)):
            ranks = retrieval_ranks(queries.embeddings, gallery.embeddings, cases)
            for k in (1, 5, 10):
                value = recall_at_k(ranks, k).item()
                metrics[f"{prefix}{source}_to_{target}/R@{k}"] = value
                recalls.setdefault(f"R@{k}", []).append(value)
    return metrics | {name: fmean(values) for name, values in recalls.items()}
