"""What questions without an answer come to in an archive: rows that are there already, asked without their group."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from closegap.calibration.unanswered import Unanswered, samples
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.scores.base.stage import pair
from closegap.search.archive.corrections import Corrections
from closegap.search.index import Index
from closegap.search.row import Row

_MOST = 500  # questions of a modality
_LEAST = 20  # below which nothing is said
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class _Questions:
    """Rows of a modality, one of each group.

    Args:
        rows: moved and unit-norm.
        cases: of each.
        groups: of each.
    """

    rows: Float[Tensor, "g k"]
    cases: Sequence[str]
    groups: Sequence[str]

    def own(self, rows: Sequence[Row]) -> Bool[Tensor, "g b"]:
        """Which rows are of a question's own group, or its case."""
        found = torch.zeros(len(self.rows), len(rows), dtype=torch.bool)
        for names, theirs in ((self.groups, [row.group for row in rows]), (self.cases, [row.case for row in rows])):
            number = {name: place for place, name in enumerate(names)}
            asked = torch.tensor([number.get(name, -1) for name in theirs])
            there = (asked >= 0).nonzero()[:, 0]
            found[asked[there], there] = True
        return found


def unanswered(
    index: Index, modalities: Sequence[str], reference: EmbeddingSet, corrections: Corrections
) -> Unanswered | None:
    """The best cosines of the reference's rows among all of the archive but those of their own group.

    All rows are gone through once, on any engine.

    Args:
        index: of the archive, with raw rows.
        modalities: of the archive.
        reference: whose rows ask, moved.
        corrections: with the map of the archive's rows.

    Returns:
        None where too few groups ask of every modality.
    """
    asked = {name: found for name in reference.modalities if len((found := _asked(reference, name)).rows) >= _LEAST}
    best, targets = dict[str, Tensor](), dict[str, int]()
    for target in [name for name in modalities if name in index.stats().widths and asked]:
        ids = index.ids(target)
        levels = _levels(len(ids))
        held = {name: torch.full((len(of.rows), samples(len(ids))), -inf) for name, of in asked.items()}
        for start in range(0, len(ids), _BLOCK):
            batch = index.read(target, ids[start : start + _BLOCK])
            rows = corrections.moved(torch.from_numpy(batch.vectors), target).float()
            for name, of in asked.items():
                _raise_to(held[name], (of.rows @ rows.T).masked_fill(of.own(batch.rows), -inf), levels[start:])
        targets[target] = len(ids)
        best |= {pair(name, target): found.double() for name, found in held.items() if (found[:, 0] > -inf).all()}
    return Unanswered(best, targets) if best else None


def _asked(reference: EmbeddingSet, modality: str) -> _Questions:
    mask = reference.mask(modality).tolist()
    groups = reference.groups or reference.ids
    there = [row for row, present in enumerate(mask) if present]
    order = torch.randperm(len(there), generator=torch.Generator().manual_seed(0)).tolist()
    first = dict[str, int]()
    for place in order:
        first.setdefault(groups[there[place]], there[place])
    picked = list(first.values())[:_MOST]
    return _Questions(
        reference.embeddings[modality][picked].float(),
        [reference.ids[row] for row in picked],
        [groups[row] for row in picked],
    )


def _levels(rows: int) -> Int[Tensor, "n"]:
    """The smallest sample that each row is in: l for 2**-(l + 1) of them, and so 2**-l are in sample l."""
    drawn = torch.rand(rows, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (-drawn.clamp(min=1e-12).log2()).long()


def _raise_to(best: Float[Tensor, "g l"], scores: Float[Tensor, "g b"], levels: Int[Tensor, "_"]) -> None:
    """Raise each question's best in each sample to what a block of rows has."""
    for level in range(best.shape[1]):
        inside = levels[: scores.shape[1]] >= level
        if not inside.any():
            return
        torch.maximum(best[:, level], scores[:, inside].amax(1), out=best[:, level])
