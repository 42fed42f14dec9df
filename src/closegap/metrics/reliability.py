"""What a calibration says of each query's targets and what is so, gathered in one stream and summed by query."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.bootstrap import Sampled, Statistic, estimates, weighted_means, weighted_median
from closegap.metrics.calibrator import Calibrator
from closegap.metrics.cells import Counted, cells_of, middles
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.population import Population

BINS = 15


@dataclass(frozen=True)
class Binned:
    """Probabilities stated and relevance found, summed by query within bins.

    Args:
        number: of couples.
        stated: sum of the probabilities.
        found: how many are relevant.
        error: sum of squared differences of the two, over all bins.
    """

    number: Float[Tensor, "u b"]
    stated: Float[Tensor, "u b"]
    found: Float[Tensor, "u b"]
    error: Float[Tensor, "u"]

    def statistic(self) -> Statistic:
        """The scores brier, base (that of the base rate), skill (1 - brier / base, NaN where base is 0) and ece.

        ece = sum over bins of |stated - found| / number of all couples.
        """

        def statistic(weights: Float[Tensor, "b u"]) -> Mapping[str, Float[Tensor, "b"]]:
            number, stated, found = (weights @ part for part in (self.number, self.stated, self.found))
            total = number.sum(1)
            rate = found.sum(1) / total
            brier, base = weights @ self.error / total, rate * (1 - rate)
            return {
                "brier": brier,
                "base": base,
                "skill": torch.where(base > 0, 1 - brier / base, torch.nan),
                "ece": (stated - found).abs().sum(1) / total,
            }

        return statistic


@dataclass(frozen=True)
class Reliability:
    """What was gathered of one direction.

    Args:
        groups: the group of each query.
        all_targets: every query against every target, in bins of equal mass.
        stated: the probability stated of each query's best target.
        found: whether that is relevant, 1 or 0.
        covered: whether the answer set holds a relevant target; NaN where there is none.
        size: of the answer set; NaN where no target is relevant.
    """

    groups: Int[Tensor, "u"]
    all_targets: Binned
    stated: Float[Tensor, "u"]
    found: Float[Tensor, "u"]
    covered: Float[Tensor, "u"]
    size: Float[Tensor, "u"]

    @classmethod
    def of(cls, couple: Couple, calibrator: Calibrator, alpha: float) -> "Reliability":
        """That of searching `couple.y` from `couple.x`.

        Raises:
            UsageError: no query has a relevant target.
        """
        queries = couple.some(couple.x)
        population = Population(queries, couple.y, calibrator.judged(couple.embeddings), calibrator.stage)
        counted = Counted.of(population)
        if not int(counted.relevant.sum()) or not int(counted.irrelevant.sum()):
            raise UsageError("calibration needs targets that are relevant and others that are not")
        ways = {"query_modality": couple.a, "target_modality": couple.b}
        among = counted.couples / len(queries.cases)
        table = calibrator.probability(middles(), **ways, candidates=among)
        bins, threshold = counted.equal_mass(BINS), calibrator.threshold(**ways, alpha=alpha)
        n = len(queries.cases)
        sums = torch.zeros(3, n, BINS, dtype=torch.float64)
        error, covered, size = torch.zeros(3, n, dtype=torch.float64)
        answers = torch.zeros(2, n, dtype=torch.float64)
        for tile in population.tiles():
            cells = cells_of(tile.scores)
            stated = torch.where(tile.counted, table[cells], 0.0)
            for held, values in zip(sums, (tile.counted, stated, tile.relevant), strict=True):
                held[tile.rows].scatter_add_(1, bins[cells], values.double())
            error[tile.rows] = (stated - tile.relevant.double()).square().sum(1)
            inside = (tile.scores.double() >= threshold) & tile.counted
            covered[tile.rows] = (inside & tile.relevant).any(1).double()
            size[tile.rows] = inside.sum(1).double()
            size[tile.rows][~tile.relevant.any(1)] = torch.nan
            best = tile.scores.masked_fill(~tile.counted, -torch.inf).argmax(1, keepdim=True)
            answers[0, tile.rows] = stated.gather(1, best)[:, 0]
            answers[1, tile.rows] = tile.relevant.gather(1, best)[:, 0].double()
        covered[size.isnan()] = torch.nan
        return cls(queries.groups, Binned(sums[0], sums[1], sums[2], error), answers[0], answers[1], covered, size)

    @property
    def first_answers(self) -> Binned:
        """Each query's best target alone, in bins of equal mass."""
        bins = bins_by_rank(self.stated, BINS)[:, None]
        parts = torch.zeros(3, len(self.stated), BINS, dtype=torch.float64)
        for part, held in zip(parts, (torch.ones_like(self.stated), self.stated, self.found), strict=True):
            part.scatter_(1, bins, held[:, None])
        return Binned(parts[0], parts[1], parts[2], (self.stated - self.found).square())

    def measured(self, counts: Counts) -> dict[str, Sampled]:
        """All numbers with draws; those of calibration errors recentred, as repeated rows raise them."""
        found = {}
        for name, binned in (("all", self.all_targets), ("first", self.first_answers)):
            for key, value in estimates(binned.statistic(), self.groups, counts).items():
                found[f"{name}/{key}"] = value.recentred() if key == "ece" else value
        asked = ~self.size.isnan()
        size, groups = self.size[asked], self.groups[asked]
        means = weighted_means({"coverage": self.covered[asked], "empty": (size == 0).double()})
        return found | estimates(means, groups, counts) | estimates(weighted_median("size", size), groups, counts)


def bins_by_rank(stated: Float[Tensor, "u"], bins: int) -> Int[Tensor, "u"]:
    """The bin of each query, of equal mass by what is stated; equal statements share a bin."""
    _, which, number = torch.unique(stated, return_inverse=True, return_counts=True)
    middle = number.cumsum(0) - (number + 1) // 2
    found: Tensor = (middle * bins // len(stated)).clamp(0, bins - 1)[which]
    return found
