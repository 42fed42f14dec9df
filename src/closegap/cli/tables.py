"""What was found, in the terminal."""

from closegap.cli.console import console
from closegap.evaluation.compare import Comparison
from closegap.report.table import terminal_tables


def print_tables(comparison: Comparison) -> None:
    """The arms' key metrics in the terminal."""
    out = console()
    tables = terminal_tables(
        comparison.report, width=out.width, baseline=comparison.baseline, differences=comparison.differences
    )
    out.print(tables)
