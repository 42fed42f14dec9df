"""Whether clusters of both modalities together are what labels say: by content, or by modality."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from sklearn.cluster import KMeans
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Attempt, Measured, Metric
from closegap.metrics.bootstrap import Sampled, Statistic, estimates
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure
from closegap.metrics.labels import LABELS, by_label, of_label
from closegap.metrics.positives import Rows, codes

_SEEDS = (0, 1, 2)

V_MEASURE = Figure(
    "v_measure",
    "V-measure",
    "Grouping",
    "higher",
    meaning="k-means on the pooled modalities against the labels.",
    key=True,
    task=True,
)
ARI = replace(
    V_MEASURE,
    name="ari",
    label="ARI",
    meaning="Adjusted Rand index of k-means against the labels.",
    key=False,
    order=1,
)
NMI = replace(ARI, name="nmi", label="NMI", meaning="Normalised mutual information of k-means and the labels.", order=2)
HOMOGENEITY = replace(
    ARI, name="homogeneity", label="Homogeneity", meaning="Each cluster holds one label only.", order=3
)


class Grouping(Metric):
    """k-means on both modalities against each of the labels."""

    what = "v_measure, ari, nmi, homogeneity"
    extent = "tasks"
    needs = (LABELS,)

    def attempts(self, couple: Couple, counts: Counts) -> Iterator[Attempt]:
        """Each of the labels by itself."""
        yield from by_label(self, couple, counts)

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Against the couple's label."""
        found = grouping_estimates(couple.some(couple.x), couple.some(couple.y), couple.labels, counts)
        return {of_label(figure, couple): found[figure.name] for figure in (V_MEASURE, ARI, NMI, HOMOGENEITY)}


def grouping_scores(clusters: Int[Tensor, "n"], labels: Int[Tensor, "n"]) -> dict[str, Float[Tensor, ""]]:
    """Agreement of a clustering with labels: v_measure, homogeneity, nmi and ari; higher is better.

    homogeneity = 1 - H(labels | clusters) / H(labels) and completeness, the same with the sides exchanged, lie in [0,
    1]; v_measure is their harmonic mean, and nmi, I / ((H(labels) + H(clusters)) / 2), is the same number by another
    road. ari is the share of pairs of rows on which both agree, scaled so that 0 is chance and 1 perfect.

    Args:
        clusters: the cluster of each row, from 0.
        labels: the label of each row, from 0.

    Reference:
        Rosenberg and Hirschberg, V-measure, 2007; Hubert and Arabie, Comparing partitions, 1985.
    """
    ones = torch.ones(1, len(labels), dtype=torch.float64)
    return {name: value[0] for name, value in _statistic(clusters[None], labels)(ones).items()}


def grouping_estimates(
    x: Rows, y: Rows, labels: Sequence[str], counts: Int[Tensor, "b g"], seeds: Sequence[int] = _SEEDS
) -> dict[str, Sampled]:
    """The scores of `grouping_scores` for k-means on the rows of both modalities pooled, k = number of labels.

    The mean over the seeds of k-means, with draws: rows are resampled by group, the clusters stay as they are. Repeated
    rows agree with themselves and so raise every score a little, for which the draws are recentred.

    Args:
        x: rows of the first modality.
        y: rows of the second.
        labels: one per row of the set, "" where unknown: such rows are left out.
        counts: from `resample_counts`, over the groups of the whole set.
        seeds: of k-means.

    Raises:
        UsageError: fewer than two labels.
    """
    label = codes(["", *labels])[1:]
    index = torch.cat([x.index, y.index])
    known = label[index] != 0
    names, truth = label[index][known].unique(return_inverse=True)  # type: ignore[no-untyped-call]
    if len(names) < 2:
        raise UsageError(f"grouping needs two labels at least, got {len(names)}")
    rows = torch.cat([x.embeddings, y.embeddings])[known].numpy()
    clusters = torch.stack(
        [torch.from_numpy(KMeans(len(names), n_init=1, random_state=seed).fit_predict(rows)).long() for seed in seeds]
    )
    groups = torch.cat([x.groups, y.groups])[known]
    found = estimates(_statistic(clusters, truth), groups, counts)
    return {name: sampled.recentred() for name, sampled in found.items()}


def _statistic(clusters: Int[Tensor, "s n"], labels: Int[Tensor, "n"]) -> Statistic:
    shape = (1 + int(clusters.max()), 1 + int(labels.max()))

    def statistic(weights: Float[Tensor, "b u"]) -> Mapping[str, Float[Tensor, "b"]]:
        found: dict[str, list[Tensor]] = {}
        for of_seed in clusters:
            table = torch.zeros(len(weights), shape[0] * shape[1], dtype=torch.float64)
            table.index_add_(1, of_seed * shape[1] + labels, weights)
            for name, value in _agreement(table.view(-1, *shape)).items():
                found.setdefault(name, []).append(value)
        return {name: torch.stack(values).mean(0) for name, values in found.items()}

    return statistic


def _agreement(table: Float[Tensor, "b k l"]) -> dict[str, Float[Tensor, "b"]]:
    total = table.sum((1, 2))
    of_clusters, of_labels = table.sum(2), table.sum(1)
    clusters, labels, both = (
        torch.special.entr(side.flatten(1) / total[:, None]).sum(1) for side in (of_clusters, of_labels, table)
    )
    shared = (clusters + labels - both).clamp(min=0)
    # A side that is all one has nothing to be wrong about.
    homogeneity = torch.where(labels > 1e-12, shared / labels, 1.0)
    normaliser = (clusters + labels) / 2
    v_measure = torch.where(normaliser > 1e-12, shared / normaliser, 1.0)
    together, in_clusters, in_labels = (
        (side * (side - 1) / 2).flatten(1).sum(1) for side in (table, of_clusters, of_labels)
    )
    expected = in_clusters * in_labels / (total * (total - 1) / 2)
    most = (in_clusters + in_labels) / 2
    ari = torch.where((most - expected).abs() > 1e-12, (together - expected) / (most - expected), 1.0)
    return {"v_measure": v_measure, "homogeneity": homogeneity, "nmi": v_measure.clone(), "ari": ari}
