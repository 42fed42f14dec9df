"""Whether a few items are found by everybody and many by nobody."""

from collections.abc import Iterator, Mapping
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Attempt, Measured, Metric
from closegap.metrics.bootstrap import Sampled, estimates
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure
from closegap.metrics.nearest import nearest
from closegap.metrics.retrieval import across
from closegap.metrics.searched import searched


class Hubness(Metric):
    """How unevenly items are retrieved, both ways."""

    def attempts(self, couple: Couple, counts: Counts) -> Iterator[Attempt]:
        """Either way by itself."""
        for one_way in (couple, couple.swapped):
            yield f"{one_way.direction}, hubness", partial(self.measured, one_way, counts)

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Of the second modality's rows, retrieved from the first's."""
        search = across(couple.a, couple.b)
        skewness = Figure(
            f"{search.name}/hubness_skewness",
            "Hubness (skewness)",
            search.heading,
            "lower",
            meaning="Skewness of how often items are retrieved.",
            context=search.context,
            task=True,
        )
        never = Figure(
            f"{search.name}/never_retrieved",
            "Never retrieved",
            search.heading,
            "lower",
            "percent",
            "Items in no query's top ten.",
            search.context,
            task=True,
        )
        gallery = couple.some(couple.y)
        if couple.chosen is None:
            occurrence = _occurrence(couple.once(searched).items, len(gallery.cases))
        else:
            occurrence = k_occurrence(couple.some(couple.x).embeddings, gallery.embeddings)
        found = hubness_estimates(occurrence, gallery.groups, counts)
        return {skewness: found["hubness_skewness"], never: found["never_retrieved"]}


def k_occurrence(queries: Float[Tensor, "q d"], gallery: Float[Tensor, "g d"], k: int = 10) -> Int[Tensor, "g"]:
    """How many queries have each gallery row among their k nearest, in [0, q]; k q / g on average."""
    return _occurrence(nearest(queries, gallery, k), len(gallery))


def hubness_skewness(occurrence: Int[Tensor, "g"]) -> Float[Tensor, ""]:
    """Skewness of the k-occurrence, mean(((N - mean) / std)^3); 0 where all are found alike, higher with hubs.

    Reference:
        Radovanovic et al., Hubs in space: popular nearest neighbors in high-dimensional data, 2010.
    """
    return _hubness(occurrence, torch.ones(1, len(occurrence), dtype=torch.float64))["hubness_skewness"][0]


def never_retrieved(occurrence: Int[Tensor, "g"]) -> Float[Tensor, ""]:
    """Share of gallery rows among the k nearest of no query, in [0, 1]; lower is better."""
    return _hubness(occurrence, torch.ones(1, len(occurrence), dtype=torch.float64))["never_retrieved"][0]


def hubness_estimates(
    occurrence: Int[Tensor, "g"], groups: Int[Tensor, "g"], counts: Int[Tensor, "b c"]
) -> dict[str, Sampled]:
    """hubness_skewness and never_retrieved with draws: items are resampled by group, each with the occurrence it has.

    Queries stay as they are: drawn twice they would find the same items twice and feign hubs.

    Args:
        occurrence: of each item (`k_occurrence`).
        groups: of each item.
        counts: from `resample_counts`.
    """
    return estimates(lambda weights: _hubness(occurrence, weights), groups, counts)


def _occurrence(items: Int[Tensor, "q k"], gallery: int) -> Int[Tensor, "g"]:
    return torch.bincount(items.flatten(), minlength=gallery)


def _hubness(occurrence: Int[Tensor, "g"], weights: Float[Tensor, "b g"]) -> Mapping[str, Float[Tensor, "b"]]:
    if not len(occurrence):
        raise UsageError("hubness needs a gallery with at least one item")
    times = occurrence.double()
    total = weights.sum(1)
    mean, second, third = (weights @ times**power / total for power in (1, 2, 3))
    variance = (second - mean.square()).clamp(min=0)
    third_central = third - 3 * mean * second + 2 * mean**3
    # Equal occurrences leave rounding, whose skewness means nothing.
    skewed = variance > 1e-9 * second.clamp(min=1)
    skewness = torch.where(skewed, third_central / variance.clamp(min=1e-300).pow(1.5), 0.0)
    never = weights @ (occurrence == 0).double() / total
    return {"hubness_skewness": skewness.where(total > 0, torch.nan), "never_retrieved": never}
