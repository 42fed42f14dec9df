"""All pairs of modalities in one small table."""

from closegap.evaluation.columns import Differences
from closegap.evaluation.pair_matrix import matrix_pairs, pair_matrix
from closegap.evaluation.report import Report
from closegap.metrics.figure import ARROWS
from closegap.report.figures import Section
from closegap.report.html import render

SIGNS = {"better": "▲", "worse": "▼", "differs": "◆"}


def pairs_section(report: Report, differences: Differences) -> Section | None:
    """Gap, recall across and matched-size ratio of every pair and arm; None where there is one pair."""
    pairs = matrix_pairs(report)
    if len(pairs) < 2:
        return None
    html = render(
        "pairs.html",
        pairs=[pair.replace("|", " and ") for pair in pairs],
        blocks=pair_matrix(report, differences),
        arrows=ARROWS,
        signs=SIGNS,
    )
    lead = "A ratio of 1: one index of both modalities costs nothing. All numbers of each pair stand below."
    return Section("All pairs of modalities", lead, html)
