"""Search of one index of both modalities: what a score stage costs in time and memory.

    python benchmarks/mixed.py --pairs 30000

`cosine` ranks by cosine, the others by what a fitted stage makes of it; `fit` is the fit of `standardise` at full
strength. Every search is that of counterpart ranks: each text among all images and all other texts, 2 n items for n
queries. `extra_mib` is peak memory beyond the embeddings; the matrix of scores alone would take 8 n^2 bytes.
"""

from typing import Any

import torch
from measure import apart, measured, options, write
from torch.nn.functional import normalize

from closegap.embeddings import EmbeddingSet
from closegap.metrics.mixed_counterpart import counterpart_ranks
from closegap.metrics.positives import rows_of
from closegap.scores import ScoreStage, Standardise, ZScore

STAGES: dict[str, ScoreStage | None] = {"cosine": None, "standardise": Standardise(1.0), "zscore": ZScore()}
FORMS = [*STAGES, "fit"]


def pairs_apart(pairs: int, width: int) -> EmbeddingSet:
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(pairs, width, generator=generator)
    rows = {
        name: normalize(common + torch.randn(pairs, width, generator=generator) + place, dim=1)
        for name, place in (("image", 0.2), ("text", -0.2))
    }
    return EmbeddingSet(rows, [str(row) for row in range(pairs)])


def measure(form: str, pairs: int, width: int) -> dict[str, float]:
    given = pairs_apart(pairs, width)
    if form == "fit":
        return measured(lambda: Standardise(1.0).fit(given), repeats=1)
    x, y = (rows_of(given, name) for name in given.modalities)
    stage = STAGES[form]
    fitted = None if stage is None else stage.fit(given.select(range(2000)))
    return measured(lambda: counterpart_ranks(x, y, stage=fitted), repeats=1)


def main() -> None:
    given = options(__doc__, pairs=[10000, 30000], width=512)
    rows: list[dict[str, Any]] = [
        {"form": form, "pairs": pairs, **apart(measure, form, pairs, given.width)}
        for pairs in given.pairs
        for form in FORMS
    ]
    write("mixed", rows, ["form", "pairs", "seconds", "cpu_seconds", "extra_mib"], given.out)


if __name__ == "__main__":
    main()
