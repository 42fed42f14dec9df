"""How well the rows of held-out cases find each other: what settings are chosen by inside a train split."""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet

Pair = tuple[str, str]


def folds_of(groups: Sequence[str], folds: int) -> Int[Tensor, "n"]:
    """The fold of each row, by its group's name alone: the order of rows changes nothing, no group is in two folds."""
    order = sorted(set(groups), key=_hash)
    of_group = {group: number % folds for number, group in enumerate(order)}
    return torch.tensor([of_group[group] for group in groups])


def coins_of(ids: Sequence[str]) -> Bool[Tensor, "n"]:
    """Heads or tails for each case, by its name alone."""
    return torch.tensor([_hash(f"coin {case}") % 2 == 0 for case in ids])


def held_out_cases(embeddings: EmbeddingSet, fold: Int[Tensor, "n"], number: int, most: int) -> Int[Tensor, "r"]:
    """Rows of a fold, one for each case: at most `most`, those of the lowest hashes."""
    first: dict[str, int] = {}
    several = torch.stack([embeddings.mask(name) for name in embeddings.modalities]).sum(0) > 1
    for row in ((fold == number) & several).nonzero()[:, 0].tolist():
        first.setdefault(embeddings.ids[row], row)
    chosen = sorted(first, key=_hash)[:most]
    return torch.tensor([first[case] for case in chosen], dtype=torch.long)


class Trial:
    """Searches among held-out cases, at each of which the maps under trial are judged.

    Two searches of one size for each pair of modalities, both ways: across (all rows of one modality from those of the
    other), and matched-size mixed (each case stored in one modality by the toss of a coin, asked for from its other
    one). The first says what a map keeps of recall, the second what mixing costs.

    Args:
        masks: modality to the rows that have it.
        coins: one for each row.
    """

    def __init__(self, masks: Mapping[str, Bool[Tensor, "n"]], coins: Bool[Tensor, "n"]) -> None:
        self._both = {
            (a, b): both.nonzero()[:, 0]
            for a, b in combinations(masks, 2)
            if int((both := masks[a] & masks[b]).sum()) > 1
        }
        self._coins = coins

    @property
    def possible(self) -> bool:
        """Whether any two modalities share two cases or more."""
        return bool(self._both)

    def scores(self, rows: Mapping[str, Float[Tensor, "n k"]]) -> list[Float[Tensor, "m m"]]:
        """Cosines of every search, by rows one way and by columns the other; the diagonals hold the true pairs.

        Args:
            rows: modality to unit rows.
        """
        found = []
        for (a, b), both in self._both.items():
            x, y, coin = rows[a][both], rows[b][both], self._coins[both][:, None]
            found += [x @ y.T, torch.where(coin, x, y) @ torch.where(coin, y, x).T]
        return found


def mean_reciprocal_rank(scores: Sequence[Float[Tensor, "m m"]]) -> float:
    """Mean of 1 / rank of the diagonal over all rows and all columns of all matrices; a tie costs half a place."""
    found = []
    for matrix in scores:
        true, flags = matrix.diagonal(), torch.empty_like(matrix)
        # Flags as floats are summed several times faster than booleans; they are exact below 2^24 rows.
        for axis, own in ((1, true[:, None]), (0, true)):
            twice = torch.gt(matrix, own, out=flags).sum(axis) + torch.ge(matrix, own, out=flags).sum(axis)
            found.append((0.5 + 0.5 * twice.double()).reciprocal().mean())
    return float(torch.stack(found).mean())


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
