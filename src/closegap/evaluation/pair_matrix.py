"""Every pair of modalities at a glance: gap, recall across and matched-size ratio of every arm."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from closegap.evaluation.columns import Differences, marked
from closegap.evaluation.report import Arm, Report
from closegap.metrics.figure import Figure
from closegap.metrics.gap import GAP
from closegap.metrics.mixed_matched import RATIO


@dataclass(frozen=True)
class Block:
    """One number of every pair and arm.

    Args:
        title: what it is.
        figure: of one pair; of its direction and unit are all.
        rows: an arm each: its name, and for every pair the number and its mark (`marked`), empty where there is none.
    """

    title: str
    figure: Figure
    rows: Sequence[tuple[str, Sequence[tuple[str, str]]]]


def matrix_pairs(report: Report) -> list[str]:
    """The pairs of modalities, `image|caption`; empty where there is only one."""
    return [pair for pair in dict.fromkeys(figure.pair for figure in report.figures.values()) if pair]


def pair_matrix(report: Report, differences: Differences) -> list[Block]:
    """The blocks of the matrix; a number that no pair has is left out."""
    pairs = matrix_pairs(report)
    chosen: dict[str, Callable[[Figure], bool]] = {
        "Modality gap": lambda figure: figure.name == GAP.name,
        "R@10, mean of both directions": lambda figure: figure.task and figure.headline == 2,
        "Matched-size ratio": lambda figure: figure.name == RATIO.name,
    }
    blocks = []
    for title, wanted in chosen.items():
        figures = {
            pair: [figure for figure in report.figures.values() if figure.pair == pair and wanted(figure)]
            for pair in pairs
        }
        some = [figure for group in figures.values() for figure in group]
        if some:
            rows = [
                (arm.name, [_cell(report, arm, figures[pair], differences) for pair in pairs]) for arm in report.arms
            ]
            blocks.append(Block(title, some[0], rows))
    return blocks


def _cell(report: Report, arm: Arm, figures: Sequence[Figure], differences: Differences) -> tuple[str, str]:
    """The mean of the figures, and a mark where one has it and no other the opposite."""
    if not figures or any(figure.full_name not in arm.metrics for figure in figures):
        return "", ""
    value = sum(arm.metrics[figure.full_name].value for figure in figures) / len(figures)
    signs = {marked(report, arm, figure, differences) for figure in figures} - {""}
    return figures[0].text(value), signs.pop() if len(signs) == 1 else ""
