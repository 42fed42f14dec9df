"""What was found, in the terminal."""

from closegap.cli.console import console
from closegap.evaluation.compare import Comparison
from closegap.evaluation.duplicates import duplicate_notes
from closegap.evaluation.pair_matrix import matrix_pairs
from closegap.report.answer import verdict_lines
from closegap.report.table import matrix_table, terminal_tables


def print_tables(comparison: Comparison) -> None:
    """The arms' key metrics, or of more than two modalities all pairs in one small table; then verdict and notes."""
    out, report = console(), comparison.report
    if len(matrix_pairs(report)) > 1:
        out.print(matrix_table(report, comparison.differences, baseline=comparison.baseline))
        out.print("The tables of each pair are in the report.", markup=False)
    else:
        out.print(
            terminal_tables(report, width=out.width, baseline=comparison.baseline, differences=comparison.differences)
        )
    for line in (*duplicate_notes(report), *verdict_lines(comparison), *report.data.get("notes", ())):
        out.print(line, markup=False)
