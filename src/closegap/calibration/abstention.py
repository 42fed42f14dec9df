"""Sets of answers that hold a relevant one as often as promised, by split conformal prediction."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, inf

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.bounds import Bound
from closegap.errors import DataError, UsageError
from closegap.metrics.population import Population
from closegap.scores.base.stage import pair

_ALPHA = Bound(0, 1, beyond=True, below=True)


@dataclass(frozen=True)
class Answers:
    """The targets of all modalities that one query's answer set holds, the most conforming first.

    Args:
        modalities: that of each answer.
        rows: its place among the targets of its modality.
        p_values: its conformal p-value: one scale for all modalities.
    """

    modalities: tuple[str, ...]
    rows: Int[Tensor, "a"]
    p_values: Float[Tensor, "a"]

    @property
    def unsure(self) -> bool:
        """Whether the set is empty: nothing scores as relevant targets do."""
        return not self.modalities


@dataclass(frozen=True)
class Abstention:
    """What decides which targets are answers.

    For an ordered pair of modalities, m_1 ... m_G are the scores of the best relevant target of one query of each of G
    groups. A target with score s has the p-value (1 + #{m_i <= s}) / (G + 1); the answer set at alpha holds those with
    a p-value above alpha, which are those with s >= m_(k), the k-th lowest, k = floor(alpha (G + 1)). It holds the best
    relevant target of a query of a new group with probability at least 1 - alpha, whatever the scores' distribution,
    where groups are exchangeable and the query has a relevant target in that modality. k = 0, where groups are too few
    for alpha, lets every target in.

    p-values of targets in several modalities are on one scale. The union of the sets holds a relevant item with at
    least that probability where the query has one in any of them.

    Args:
        best: ordered pair of modalities to m_1 ... m_G, lowest first.

    Reference:
        Any2Any, arXiv:2411.10513: conformal scores of each pair of modalities make them comparable. One query a group,
        where items of a group are alike, is ours.
    """

    best: Mapping[str, Float[Tensor, "_"]]

    def p_values(self, scores: Float[Tensor, "*s"], query_modality: str, target_modality: str) -> Float[Tensor, "*s"]:
        """The p-value of each score, in float64: near 0 where relevant targets hardly ever score so low.

        Raises:
            DataError: a pair of modalities that was not calibrated.
        """
        best = self._of(query_modality, target_modality)
        below = torch.searchsorted(best, scores.double().contiguous(), right=True)
        found = (1 + below).double() / (len(best) + 1)
        return torch.where(scores == -inf, 0.0, found)

    def threshold(self, query_modality: str, target_modality: str, alpha: float) -> float:
        """The lowest score inside answer sets; -inf where the groups are too few to leave anything out.

        Raises:
            DataError: a pair of modalities that was not calibrated.
            UsageError: alpha that is not between 0 and 1.
        """
        if not _ALPHA.admits(alpha):
            raise UsageError(f"alpha {alpha:g} given, expected a number above 0, below 1")
        best = self._of(query_modality, target_modality)
        k = floor(alpha * (len(best) + 1) + 1e-9)  # .1 * 30 is 3
        return float(best[k - 1]) if k else -inf

    def answers(self, scores: Mapping[str, Float[Tensor, "_"]], query_modality: str, alpha: float) -> Answers:
        """What one query is answered with.

        Args:
            scores: target modality to the query's scores, all targets of it; after the stage, where one was fitted.
            query_modality: that of the query.
            alpha: how often the set may miss.
        """
        names, rows, values = [], [], []
        for target, held in scores.items():
            inside = held.double() >= self.threshold(query_modality, target, alpha)
            here = (inside & (held > -inf)).nonzero()[:, 0]
            names += [target] * len(here)
            rows.append(here)
            values.append(self.p_values(held[here], query_modality, target))
        found = torch.cat(values) if values else torch.empty(0, dtype=torch.float64)
        order = found.argsort(descending=True, stable=True)
        picked = torch.cat(rows)[order] if rows else torch.empty(0, dtype=torch.int64)
        return Answers(tuple(names[i] for i in order.tolist()), picked, found[order])

    def _of(self, query_modality: str, target_modality: str) -> Float[Tensor, "g"]:
        found = self.best.get(pair(query_modality, target_modality))
        if found is None:
            known = "; ".join(key.replace("|", " to ") for key in self.best)
            raise DataError(f"{query_modality} to {target_modality} was not calibrated, but {known}")
        return found


def best_of_groups(population: Population, seed: int = 0) -> Float[Tensor, "g"]:
    """The score of the best relevant target of one query of each group, lowest first, in float64.

    Args:
        population: the calibration queries; those without a relevant target are left out.
        seed: of the draw of one query from each group.
    """
    parts = [tile.scores.double().masked_fill(~tile.relevant, -inf).max(1).values for tile in population.tiles()]
    best = torch.cat(parts) if parts else torch.empty(0, dtype=torch.float64)
    asked = (best > -inf).nonzero()[:, 0]
    asked = asked[torch.randperm(len(asked), generator=torch.Generator().manual_seed(seed))]
    groups = population.queries.groups[asked]
    order = groups.argsort(stable=True)  # within a group still at random
    first = torch.ones(len(order), dtype=torch.bool)
    first[1:] = groups[order][1:] != groups[order][:-1]
    return best[asked[order[first]]].sort().values
