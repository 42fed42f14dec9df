"""Whether the rows of two modalities are pairs at all."""

from collections.abc import Sequence

from closegap.evaluation.report import Report

_NAME, _CHANCE = "R@10", "R@10/chance"


def unpaired_notes(report: Report) -> Sequence[str]:
    """A line for each pair of modalities that no arm finds better than chance, either way: their rows do not pair.

    Chance is inside the interval of R@10, or above it, for every arm that was measured, in both directions.
    """
    searches: dict[tuple[str, frozenset[str]], list[bool]] = {}
    text: dict[tuple[str, frozenset[str]], str] = {}
    for name, figure in report.figures.items():
        source, found, target = figure.name.removesuffix(f"/{_NAME}").partition("_to_")
        chance = figure.sibling(f"{figure.name.removesuffix(_NAME)}{_CHANCE}")
        if not found or not figure.name.endswith(f"/{_NAME}") or figure.headline is None:
            continue
        key = (figure.pair, frozenset((source, target)))
        for arm in report.arms:
            if name not in arm.metrics or chance not in arm.metrics:
                continue
            recall, expected = arm.metrics[name], arm.metrics[chance].value
            low = recall.value if recall.low is None else recall.low
            searches.setdefault(key, []).append(low <= expected)
            text.setdefault(
                key, f"{source} and {target}: R@10 {figure.text(recall.value)}, {figure.text(expected)} by chance"
            )
    return [
        f"rows do not look like pairs ({text[key]}): see that row i is the same case in both"
        for key, at_chance in searches.items()
        if all(at_chance)
    ]
