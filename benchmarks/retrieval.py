"""Retrieval evaluation: every query's rank over the full gallery, by our count and by sorting the full matrix.

    python benchmarks/retrieval.py --pairs 2000 8179

Sorting is how evaluation scripts are mostly written: all scores, all rows sorted, the place of the true item looked up
in each row as a Python list. Both give the same ranks, which is checked. `gflop_per_s` counts the scores alone.
"""

from typing import Any

import torch
from measure import apart, measured, options, write
from torch import Tensor
from torch.nn.functional import normalize

from closegap.metrics.retrieval import retrieval_ranks


def embeddings(pairs: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, noise = (torch.randn(pairs, width, generator=generator) for _ in range(2))
    return normalize(a, dim=1), normalize(a + 2 * noise, dim=1)


def by_sorting(a: Tensor, b: Tensor) -> Tensor:
    order = (a @ b.T).argsort(dim=1, descending=True)
    return torch.tensor([order[row].tolist().index(row) + 1 for row in range(len(a))])


def by_counting(a: Tensor, b: Tensor) -> Tensor:
    return retrieval_ranks(a, b).best


FORMS = {"sort and look up": by_sorting, "closegap": by_counting}


def measure(form: str, pairs: int, width: int) -> dict[str, float]:
    a, b = embeddings(pairs, width)
    assert torch.equal(by_counting(a[:500], b[:500]), by_sorting(a[:500], b[:500]))
    costs = measured(lambda: FORMS[form](a, b), repeats=3)
    return {**costs, "gflop_per_s": 2e-9 * pairs**2 * width / costs["seconds"]}


def main() -> None:
    given = options(__doc__, pairs=[2000, 8179], width=512)
    rows: list[dict[str, Any]] = []
    for pairs in given.pairs:
        theirs, ours = ({"form": form, "pairs": pairs, **apart(measure, form, pairs, given.width)} for form in FORMS)
        rows += [theirs, {**ours, "ratio": theirs["seconds"] / ours["seconds"]}]
    write("retrieval", rows, ["form", "pairs", "seconds", "ratio", "extra_mib", "gflop_per_s"], given.out)


if __name__ == "__main__":
    main()
