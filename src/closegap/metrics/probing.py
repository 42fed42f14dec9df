"""Whether what is learnt on one modality holds on the other: nearest neighbours and a linear probe."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Attempt, Measured, Metric
from closegap.metrics.bootstrap import Sampled, estimates, weighted_means
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.figure import Figure, words
from closegap.metrics.folds import group_folds
from closegap.metrics.labels import LABELS, by_label, of_label
from closegap.metrics.nearest import nearest
from closegap.metrics.positives import Rows, codes

Probe: TypeAlias = Callable[[Float[Tensor, "n d"], Int[Tensor, "n"], Float[Tensor, "m d"]], Int[Tensor, "m"]]
"""Labels predicted for rows (third) from rows with labels (first and second)."""

_ITERATIONS = 1000

MAJORITY = Figure(
    "probe/majority",
    "Majority",
    "Probes",
    unit="percent",
    meaning="What always naming the commonest label gives.",
    context="Probes",
)


def knn_accuracy(source: str, target: str) -> Figure:
    """The figure of a nearest-neighbour probe of one modality on the rows of another."""
    return _accuracy("knn", "kNN", "Nearest neighbours tell the label.", 1, source, target)


def linear_accuracy(source: str, target: str) -> Figure:
    """The figure of a linear probe that is trained on one modality, on the rows of another."""
    return _accuracy("linear", "Linear", "A linear probe tells the label.", 2, source, target)


def _accuracy(probe: str, label: str, meaning: str, order: int, source: str, target: str) -> Figure:
    return Figure(
        f"{probe}/{source}_to_{target}",
        f"{label}, {words(source)} to {words(target)}",
        MAJORITY.heading,
        "higher",
        "percent",
        meaning,
        MAJORITY.context,
        task=True,
        order=order,
    )


class Probing(Metric):
    """Nearest-neighbour and linear probes of each of the labels, inside and across modalities."""

    what = "probes"
    needs = (LABELS,)

    def attempts(self, couple: Couple, counts: Counts) -> Iterator[Attempt]:
        """Each of the labels by itself."""
        yield from by_label(self, couple, counts)

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Of the couple's label."""
        found = probing_estimates(couple.some(couple.x), couple.some(couple.y), couple.labels, counts)
        modality = {"x": couple.a, "y": couple.b}
        ways = [(source, target) for source in modality for target in modality]
        figures = {MAJORITY: found["majority"]}
        figures |= {knn_accuracy(modality[s], modality[t]): found[f"knn_{s}_to_{t}"] for s, t in ways}
        figures |= {linear_accuracy(modality[s], modality[t]): found[f"linear_{s}_to_{t}"] for s, t in ways}
        return {of_label(figure, couple): value for figure, value in figures.items()}


def knn_labels(
    rows: Float[Tensor, "n d"], labels: Int[Tensor, "n"], queries: Float[Tensor, "m d"], k: int = 5
) -> Int[Tensor, "m"]:
    """The commonest label of each query's k nearest rows; of equally common ones, that of the nearest row."""
    voters = labels[nearest(queries, rows, k)]
    # A vote counts 1 and a little more: more than all further rows' together, and never as much as a vote.
    weight = 1 + torch.arange(2, 2 + voters.shape[1]).neg().exp2()
    votes = torch.zeros(len(queries), 1 + int(labels.max()))
    return votes.scatter_add_(1, voters, weight.expand(voters.shape)).argmax(1)


def linear_labels(
    rows: Float[Tensor, "n d"], labels: Int[Tensor, "n"], queries: Float[Tensor, "m d"]
) -> Int[Tensor, "m"]:
    """Labels predicted by a logistic regression (L2, C = 1) on rows scaled by sqrt(d), which rotations leave alone."""
    if bool((labels == labels[0]).all()):
        return labels[:1].expand(len(queries))
    scale = rows.shape[1] ** 0.5
    # Its many small products are no work for threads: on a busy machine they wait for each other thirty times as long.
    with threadpool_limits(1, user_api="blas"):
        model = LogisticRegression(max_iter=_ITERATIONS).fit((rows.float() * scale).numpy(), labels.numpy())
    return torch.from_numpy(model.predict((queries.float() * scale).numpy()))


def probing_estimates(
    x: Rows, y: Rows, labels: Sequence[str], counts: Int[Tensor, "b g"], folds: int = 5, seed: int = 0
) -> dict[str, Sampled]:
    """Accuracy of probes trained on one modality and tested on either, with draws; in [0, 1], higher is better.

    Cross-validated by group: a row is predicted from the rows of other groups, across modalities too. Held-out rows
    are resampled by group, the probes stay as they are. `majority` is the accuracy of the commonest training label.

    Args:
        x: rows of the first modality.
        y: rows of the second.
        labels: one per row of the set, "" where unknown: such rows are left out.
        counts: from `resample_counts`, over the groups of the whole set.
        folds: how many times a share of the groups is held out.
        seed: of the folds.

    Returns:
        knn_x_to_x, knn_x_to_y (trained on x, tested on y), knn_y_to_x, knn_y_to_y, linear_x_to_x, ..., majority.

    Raises:
        UsageError: fewer than two labels in a modality, or fewer than two groups with labels.
    """
    label = codes(["", *labels])[1:]
    x, y = (side.pick(label[side.index] != 0) for side in (x, y))
    truths = {"x": label[x.index], "y": label[y.index]}
    for truth in truths.values():
        if not len(truth) or bool((truth == truth[0]).all()):
            raise UsageError("a probe needs two labels at least in each modality")
    rows = {"x": x.embeddings, "y": y.embeddings}
    groups = {"x": x.groups, "y": y.groups}
    fold = group_folds(torch.cat([x.groups, y.groups]), folds, seed)
    held_out = {"x": fold[: len(x.groups)], "y": fold[len(x.groups) :]}
    found: dict[str, Sampled] = {}
    probes: dict[str, Probe] = {"knn": knn_labels, "linear": linear_labels}
    for name, probe in probes.items():
        for source in rows:
            correct = _correct(probe, rows, truths, held_out, source)
            for target, values in correct.items():
                key = f"{name}_{source}_to_{target}"
                found |= estimates(weighted_means({key: values}), groups[target], counts)
    majority = _correct(_majority, rows, truths, held_out, "x")
    everything = torch.cat([majority["x"], majority["y"]])
    return found | estimates(weighted_means({"majority": everything}), torch.cat([x.groups, y.groups]), counts)


def _correct(
    probe: Probe,
    rows: dict[str, Tensor],
    truths: dict[str, Tensor],
    held_out: dict[str, Tensor],
    source: str,
) -> dict[str, Float[Tensor, "n"]]:
    """For the rows of each modality, whether the probe of the other folds of `source` is right; NaN without a probe."""
    correct = {target: torch.full((len(truth),), torch.nan, dtype=torch.float64) for target, truth in truths.items()}
    for fold in range(1 + max(int(folds.max()) for folds in held_out.values())):
        kept = held_out[source] != fold
        sides = {target: held_out[target] == fold for target in rows}
        if not kept.any():
            continue
        queries = torch.cat([rows[target][side] for target, side in sides.items()])
        predicted = probe(rows[source][kept], truths[source][kept], queries)
        for (target, side), labels in zip(
            sides.items(), torch.split(predicted, [int(side.sum()) for side in sides.values()]), strict=True
        ):
            correct[target][side] = (labels == truths[target][side]).double()
    return correct


def _majority(rows: Float[Tensor, "n d"], labels: Int[Tensor, "n"], queries: Float[Tensor, "m d"]) -> Int[Tensor, "m"]:
    return torch.bincount(labels).argmax().expand(len(queries))
