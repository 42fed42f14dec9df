"""Whether anything in an archive is nearer to a question than questions without an answer there come to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import DataError
from closegap.scores.base.stage import pair
from closegap.sealed import load_sealed, read_says, save_sealed

_KEY, _AGAIN = "closegap_unanswered", "fit the corrections again with `closegap index fit`"
_FEWEST = 64  # targets of the smallest sample
_DEEPEST = 16


@dataclass(frozen=True, eq=False)
class Unanswered:
    """The best cosines of questions of the field whose own answers were left out.

    For a question of modality q, let u_t be its highest cosine among targets of modality t. G questions were asked of
    the same targets, those of their own group left out. Among these G and the new one, r_t is how many come no nearer
    to a target of t than a question does, and M the sum of r_t over the modalities that are searched. The new
    question's p-value is (1 + #{i: M_i <= M}) / (G + 1), near 0 if hardly any comes as little near to anything.

    A question that is exchangeable with the G and has no answer gets a p-value of at most alpha with probability at
    most alpha, whatever the cosines' distribution; one that has an answer comes nearer, and gets it seldomer. How often
    a question of another field gets one is no promise, but to be measured.

    The highest of many cosines is high. So each question's is kept among all targets, a random half of them, a
    quarter, ...: where a condition leaves some targets, those that are compared are of the nearest number.

    Args:
        best: ordered pair of modalities to the highest cosine of each question, column l among 2**-l of the targets;
            row i is the same question for all targets of a query modality.
        targets: modality to how many there were.

    Example:
        >>> best = torch.linspace(0.1, 0.9, 99, dtype=torch.float64)[:, None]
        >>> unanswered = Unanswered({"text|image": best}, {"image": 1000})
        >>> [unanswered.p_value({"image": found}, "text", {"image": 1000}) for found in (0.05, 0.5)]
        [0.01, 0.51]

    Reference:
        Laxhammar and Falkman 2010, conformal anomaly detection. Several modalities by the sum of ranks, and as many
        targets as are searched, are ours.
    """

    best: Mapping[str, Float[Tensor, "g l"]]
    targets: Mapping[str, int]

    def p_value(self, best: Mapping[str, float], query_modality: str, candidates: Mapping[str, int]) -> float | None:
        """The p-value of a question; None where nothing was asked of these modalities.

        Args:
            best: target modality to the question's highest cosine, of those that were searched.
            query_modality: that of the question.
            candidates: target modality to how many targets were searched.
        """
        columns = []
        for target, found in best.items():
            held = self.best.get(pair(query_modality, target))
            if held is not None and candidates[target]:
                level = round(log2(self.targets[target] / candidates[target]))
                column = held[:, min(max(level, 0), held.shape[1] - 1)]
                columns.append(torch.cat([column, column.new_tensor([found])]))
        if not columns:
            return None
        ranks = torch.stack([_no_nearer(column) for column in columns]).sum(0)
        return int((ranks <= ranks[-1]).sum()) / len(ranks)

    def save(self, path: str | Path) -> None:
        """Write `path` (.safetensors), whole or not at all."""
        save_sealed(Path(path), self.best, _KEY, {"targets": dict(self.targets)})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """What `save` wrote.

        Raises:
            DataError: a missing or damaged file.
        """
        said = read_says(Path(path), _KEY, _AGAIN).get("targets")
        best = load_sealed(Path(path), _AGAIN)
        try:
            targets = {str(name): int(count) for name, count in dict(said or {}).items()}
            sound = all(
                held.ndim == 2 and held.shape[1] and not held.isnan().any() and targets[key.split("|")[1]] > 0
                for key, held in best.items()
            )
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: damaged; {_AGAIN}") from error
        if not sound:
            raise DataError(f"{path}: damaged; {_AGAIN}")
        return cls({key: held.double() for key, held in best.items()}, targets)


def samples(rows: int) -> int:
    """How many samples there are of so many targets, each half of the one before: at least 1."""
    return min(_DEEPEST, 1 + int(log2(max(rows, _FEWEST) / _FEWEST)))


def _no_nearer(best: Float[Tensor, "n"]) -> Int[Tensor, "n"]:
    """How many are no higher than each, itself included."""
    return torch.searchsorted(best.sort().values, best.contiguous(), right=True)
