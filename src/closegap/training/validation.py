"""The few numbers that are watched while a model trains."""

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from statistics import fmean

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.metrics.cosines import COS_NULL, COS_TRUE_PAIRS, cosine_null, cosine_true_pairs
from closegap.metrics.figure import Figure
from closegap.metrics.gap import GAP, modality_gap
from closegap.metrics.positives import Pairs, rows_of
from closegap.metrics.ranking import KS
from closegap.metrics.ranks import retrieval_ranks
from closegap.metrics.retrieval import across, mean_recall, recall_at_k


def validation_metrics(embeddings: EmbeddingSet) -> dict[Figure, float]:
    """Gap, cosine of true pairs with its null, and Recall@1/5/10 both ways over the full gallery.

    With more than two modalities each pair has its own. `R@K` alone is the mean over pairs and directions. Pairs of
    modalities that no case has together are left out. Values alone, without the resamples of reports.
    """
    metrics: dict[Figure, float] = {}
    recalls: dict[Figure, list[float]] = {}
    for a, b, pair in _pairs(embeddings.modalities):
        x, y = rows_of(embeddings, a), rows_of(embeddings, b)
        shared = Pairs(x.cases, y.cases)
        if len(shared.positives()[0]) == 0 or shared.cases < 2:
            continue
        metrics[GAP.of(pair)] = modality_gap(x.embeddings, y.embeddings).item()
        metrics[COS_TRUE_PAIRS.of(pair)] = cosine_true_pairs(x.embeddings, y.embeddings, shared).item()
        metrics[COS_NULL.of(pair)] = cosine_null(x.embeddings, y.embeddings, shared).item()
        for source, target, queries, gallery, cases in ((a, b, x, y, shared), (b, a, y, x, shared.swapped)):
            ranks = retrieval_ranks(queries.embeddings, gallery.embeddings, cases)
            for k in KS:
                value = recall_at_k(ranks, k).item()
                metrics[across(source, target).recall_at(k).of(pair)] = value
                recalls.setdefault(mean_recall(k), []).append(value)
    return metrics | {figure: fmean(values) for figure, values in recalls.items()}


def validation_figures(modalities: Sequence[str]) -> list[Figure]:
    """What `validation_metrics` may measure of a set with these modalities."""
    figures: list[Figure] = []
    for a, b, pair in _pairs(modalities):
        recalls = [across(*way).recall_at(k) for way in ((a, b), (b, a)) for k in KS]
        figures += [figure.of(pair) for figure in (GAP, COS_TRUE_PAIRS, COS_NULL, *recalls)]
    return [*figures, *(mean_recall(k) for k in KS)]


def selecting_figure(name: str, measured: Collection[Figure]) -> Figure:
    """The figure that `train.select` names, among those of the validation split.

    Raises:
        UsageError: none is called so, or neither direction of it is better.
    """
    figures = {figure.full_name: figure for figure in measured}
    if name not in figures:
        raise UsageError(
            f"train.select: {name!r} is not measured on the validation split; there are {', '.join(figures)}"
        )
    if figures[name].direction is None:
        directed = ", ".join(other for other, figure in figures.items() if figure.direction is not None)
        raise UsageError(f"train.select: of {name!r} neither direction is better; choose one of {directed}")
    return figures[name]


def _pairs(modalities: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Two modalities, and the name of their pair where there are several."""
    pairs = list(combinations(modalities, 2))
    for a, b in pairs:
        yield a, b, f"{a}|{b}" if len(pairs) > 1 else ""
