"""Retrieval evaluation: every query's rank over the full gallery, by our count and by sorting the full matrix.

    python benchmarks/retrieval.py --pairs 2000 8179

Sorting is how evaluation scripts are mostly written: all scores, all rows sorted, the place of the true item looked up
in each row as a Python list. Both give the same ranks, which is checked. `given` ranks scores that are there already;
without it the product of queries and gallery is part of all, and `gflop_per_s` is the rate that it would need;
`ratio` is the time over ours.
"""

from itertools import product
from typing import Any

import numpy as np
import torch
from measure import apart, measured, options, write
from torch import Tensor
from torch.nn.functional import normalize

from closegap.metrics.ranks import ranks_of_scores, retrieval_ranks


def embeddings(pairs: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, noise = (torch.randn(pairs, width, generator=generator) for _ in range(2))
    return normalize(a, dim=1), normalize(a + 2 * noise, dim=1)


def by_sorting(scores: Tensor) -> Tensor:
    order = scores.argsort(dim=1, descending=True)
    return torch.tensor([order[row].tolist().index(row) + 1 for row in range(len(scores))])


def by_numpy(scores: Tensor) -> Tensor:
    order = np.argsort(-scores.numpy(), axis=1)
    return torch.tensor([ranked.index(row) + 1 for row, ranked in enumerate(order.tolist())])


def by_counting(scores: Tensor) -> Tensor:
    return ranks_of_scores(scores).best


FORMS = {"torch.argsort and look up": by_sorting, "np.argsort and look up": by_numpy, "closegap": by_counting}


def measure(form: str, pairs: int, width: int, given: bool) -> dict[str, float]:
    a, b = embeddings(pairs, width)
    few = a[:500] @ b[:500].T
    assert torch.equal(FORMS[form](few), by_sorting(few))
    assert torch.equal(retrieval_ranks(a[:500], b[:500]).best, by_sorting(few))
    if given:
        scores = a @ b.T
        return measured(lambda: FORMS[form](scores), repeats=3)
    ours = form == "closegap"
    costs = measured(lambda: retrieval_ranks(a, b).best if ours else FORMS[form](a @ b.T), repeats=3)
    return {**costs, "gflop_per_s": 2e-9 * pairs**2 * width / costs["seconds"]}


def main() -> None:
    given = options(__doc__, pairs=[2000, 8179], width=512)
    rows: list[dict[str, Any]] = []
    for pairs, scores in product(given.pairs, (False, True)):
        found = [
            {"form": form, "pairs": pairs, "given": scores, **apart(measure, form, pairs, given.width, scores)}
            for form in FORMS
        ]
        rows += [{**one, "ratio": one["seconds"] / found[-1]["seconds"]} for one in found]
    write("retrieval", rows, ["form", "pairs", "given", "seconds", "ratio", "extra_mib", "gflop_per_s"], given.out)


if __name__ == "__main__":
    main()
