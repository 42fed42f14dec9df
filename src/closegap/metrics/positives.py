"""Which rows of two modalities belong to one case, where either may have several rows of a case, or none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError, UsageError

_ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class Pairs:
    """The case of each row of two modalities; rows of one case are positives, rows of different cases are non-pairs.

    Args:
        x_cases: the case of each of the n rows of the first modality, a number from 0.
        y_cases: the case of each of the m rows of the second, in the same numbering.
    """

    x_cases: Int[Tensor, "n"]
    y_cases: Int[Tensor, "m"]

    @classmethod
    def of(cls, x: Float[Tensor, "n _"], y: Float[Tensor, "m _"], pairs: "Pairs | None" = None) -> "Pairs":
        """`pairs` checked against the rows; without it, row i of `x` belongs to row i of `y`.

        Raises:
            UsageError: as many rows as cases are expected, or as many in `y` as in `x`, and they differ.
        """
        if pairs is None:
            if len(x) != len(y):
                raise UsageError(
                    f"{len(x)} and {len(y)} rows do not pair one to one; say with Pairs which belong together"
                )
            rows = torch.arange(len(x), device=x.device)
            return cls(rows, rows)
        if (len(pairs.x_cases), len(pairs.y_cases)) != (len(x), len(y)):
            raise UsageError(
                f"pairs of {len(pairs.x_cases)} x {len(pairs.y_cases)} rows given with {len(x)} x {len(y)} embeddings"
            )
        return pairs

    @property
    def cases(self) -> int:
        """How many case numbers there are."""
        return 1 + max((int(side.max()) for side in (self.x_cases, self.y_cases) if len(side)), default=-1)

    @property
    def swapped(self) -> "Pairs":
        """The same pairs with the modalities the other way round."""
        return Pairs(self.y_cases, self.x_cases)

    def positives(self) -> tuple[Int[Tensor, "p"], Int[Tensor, "p"]]:
        """Row of `x` and row of `y` of every positive pair, ordered by the row of `x`, then by that of `y`."""
        by_case = torch.argsort(self.y_cases, stable=True)
        per_case = torch.bincount(self.y_cases, minlength=self.cases)
        partners = per_case[self.x_cases]
        x_rows = torch.arange(len(self.x_cases), device=partners.device).repeat_interleave(partners)
        within = torch.arange(len(x_rows), device=partners.device) - (partners.cumsum(0) - partners)[x_rows]
        first = (per_case.cumsum(0) - per_case)[self.x_cases]
        return x_rows, by_case[first[x_rows] + within]


@dataclass(frozen=True)
class Rows:
    """The rows that have one modality.

    Args:
        embeddings: unit-norm rows, float32 or float64.
        cases: the case of each row, numbered over the whole set, so that `Pairs(a.cases, b.cases)` pairs modalities.
        groups: the group of each row, numbered over the whole set; bootstrap resamples these.
        index: the row of the set that each comes from; looks up labels and concepts.
        modality: whose rows they are, for a score stage.
    """

    embeddings: Float[Tensor, "n d"]
    cases: Int[Tensor, "n"]
    groups: Int[Tensor, "n"]
    index: Int[Tensor, "n"]
    modality: str = ""

    def pick(self, rows: Tensor) -> "Rows":
        """These rows alone, by number or by mask."""
        return Rows(self.embeddings[rows], self.cases[rows], self.groups[rows], self.index[rows], self.modality)

    def first_and_further(self) -> tuple["Rows", "Rows"]:
        """The first row of each case, and all further ones (a second caption of the same figure)."""
        by_case = torch.argsort(self.cases, stable=True)
        ordered = self.cases[by_case]
        starts = torch.ones_like(ordered, dtype=torch.bool)
        starts[1:] = ordered[1:] != ordered[:-1]
        first = torch.zeros_like(starts)
        first[by_case[starts]] = True
        return self.pick(first), self.pick(~first)


def paired(x: Rows, y: Rows) -> tuple[Rows, Rows]:
    """The first row of each case that has both modalities; row i is of one case in both, in the order of cases."""
    x, y = x.first_and_further()[0], y.first_and_further()[0]
    x, y = x.pick(torch.isin(x.cases, y.cases)), y.pick(torch.isin(y.cases, x.cases))
    return x.pick(x.cases.argsort()), y.pick(y.cases.argsort())


def rows_of(embeddings: EmbeddingSet, modality: str) -> Rows:
    """The rows of the set that have `modality`, with their cases and groups.

    Raises:
        UsageError: a modality that the set lacks.
        DataError: a case whose rows are in different groups.
    """
    if modality not in embeddings.embeddings:
        raise UsageError(f"expected a modality of the set ({', '.join(embeddings.modalities)}), got {modality!r}")
    cases, groups = codes(embeddings.ids), group_codes(embeddings)
    index = embeddings.mask(modality).nonzero().squeeze(1)
    values = embeddings.embeddings[modality]
    rows = values if len(index) == len(values) else values[index]  # the whole of a mapped file is not copied
    if rows.dtype != torch.float64:
        rows = rows.float()
    return Rows(rows, cases[index], groups[index], index, modality)


def codes(names: Sequence[str]) -> Int[Tensor, "n"]:
    """A number from 0 for each name, in order of first appearance; equal names, equal numbers."""
    numbers: dict[str, int] = {}
    return torch.tensor([numbers.setdefault(name, len(numbers)) for name in names], dtype=torch.int64)


def group_codes(embeddings: EmbeddingSet) -> Int[Tensor, "n"]:
    """The group of every row of the set as a number from 0; the case where the set has no groups.

    Raises:
        DataError: a case whose rows are in different groups.
    """
    if embeddings.groups is None:
        return codes(embeddings.ids)
    group_of: dict[str, str] = {}
    for row, (case, group) in enumerate(zip(embeddings.ids, embeddings.groups, strict=True)):
        if group_of.setdefault(case, group) != group:
            raise DataError(
                f"row {row}: case {case!r} is in group {group!r} and in {group_of[case]!r}; a case has one group"
            )
    return codes(embeddings.groups)


def case_blocks(
    cases: Sequence[Int[Tensor, "_"]], count: int, at_once: int = _ROWS_AT_ONCE
) -> Iterator[tuple[slice, list[Int[Tensor, "_"]]]]:
    """Blocks of case numbers, 0 to `count`, each with its rows of every side: sums by case in O(n) memory.

    Args:
        cases: the case of each row, for each side.
        count: how many case numbers there are.
        at_once: case numbers in a block.
    """
    edges = torch.arange(0, count + at_once, at_once).clamp(max=count)
    orders = [torch.argsort(side, stable=True) for side in cases]
    bounds = [torch.searchsorted(side[order], edges).tolist() for side, order in zip(cases, orders, strict=True)]
    for block, (start, stop) in enumerate(pairwise(edges.tolist())):
        rows = [order[at[block] : at[block + 1]] for order, at in zip(orders, bounds, strict=True)]
        yield slice(start, stop), rows


def case_sums(rows: Float[Tensor, "n d"], cases: Int[Tensor, "n"], count: int) -> Float[Tensor, "c d"]:
    """Sum of the rows of each case, in float64; zero for a case without rows."""
    sums = torch.zeros(count, rows.shape[1], dtype=torch.float64, device=rows.device)
    for some, theirs in zip(torch.split(rows, _ROWS_AT_ONCE), torch.split(cases, _ROWS_AT_ONCE), strict=True):
        sums.index_add_(0, theirs, some.double())
    return sums
