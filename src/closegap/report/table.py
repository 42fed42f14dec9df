"""A report as tables for the terminal and for Markdown."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from closegap.evaluation.columns import (
    Differences,
    best_arms,
    chance_text,
    columns,
    key_columns,
    marked,
    marks_key,
    seed_difference,
    steps_text,
    withheld_note,
)
from closegap.evaluation.pair_matrix import matrix_pairs, pair_matrix
from closegap.evaluation.report import Arm, Report
from closegap.metrics.figure import ARROWS, Figure
from closegap.printable import printable

_LABELS, _ARM = 30, 18  # characters that the column of labels and the column of an arm take
_SIGNS = {"better": " ▲", "worse": " ▼", "differs": " ◆", "": ""}
_STYLES = {"better": "green", "worse": "red", "differs": "yellow", "": ""}


def terminal_tables(
    report: Report, *, width: int = 100, baseline: str | None = None, differences: Differences | None = None
) -> Group:
    """Key metrics as rows and arms as columns, one table for each pair of modalities.

    Each value stands over its 95% interval, the best of a row is bold, an arrow shows the better direction; with
    `differences`, ▲ better, ▼ worse and ◆ different mark what the paired interval separates from the baseline. Where
    arms share seeds, Δ is the difference paired by seed ± half of its interval. Arms that do not fit the width go to
    further tables.

    Args:
        report: what to show.
        width: characters of the terminal.
        baseline: the arm that `differences` are relative to.
        differences: arm name to metric name to paired difference from the baseline.
    """
    per_table = max(1, (width - _LABELS) // _ARM)
    parts: list[RenderableType] = []
    for pair, figures in key_columns(report).items():
        for start in range(0, len(report.arms), per_table):
            arms = report.arms[start : start + per_table]
            parts.append(_table(report, arms, pair, figures, differences or {}))
    parts += [Text(line, style="dim") for line in _footnotes(report, baseline, differences)]
    return Group(*parts)


def matrix_table(report: Report, differences: Differences, *, baseline: str) -> Group:
    """All pairs of modalities in one table: gap, recall across and matched-size ratio of every arm, a block each."""
    table = Table(header_style="bold")
    table.add_column("", min_width=12, overflow="fold")
    pairs = matrix_pairs(report)
    for pair in pairs:
        table.add_column(pair.replace("|", " and "), justify="right", overflow="fold")
    for block in pair_matrix(report, differences):
        head = Text.assemble((block.title, "bold"), " ", (ARROWS[block.figure.direction], "cyan"))
        table.add_row(head, *("" for _ in pairs))
        for i, (arm, cells) in enumerate(block.rows):
            found = [Text.assemble(text or "·", (_SIGNS[mark], _STYLES[mark])) for text, mark in cells]
            table.add_row(arm, *found, end_section=i + 1 == len(block.rows))
    notes = [marks_key(report, baseline)] if differences else []
    notes += [f"left out: {item.what} ({item.reason})" for item in report.skipped]
    return Group(table, *(Text(line, style="dim") for line in notes))


def markdown_table(report: Report, metrics: Sequence[str] | None = None) -> str:
    """A Markdown table with one row an arm, ending in a newline: value and 95% interval.

    Args:
        report: what to show.
        metrics: names of the columns; default the key metrics. Gap and cosines are left out without their null.
    """
    if metrics is None:
        chosen = [figure for group in key_columns(report).values() for figure in group]
    else:
        shown = {figure.full_name: figure for figure in columns(report)}
        chosen = [shown[name] for name in metrics if name in shown]
    several_pairs = len({figure.pair for figure in chosen}) > 1
    heads = ["arm", *(_markdown_head(figure, several_pairs) for figure in chosen)]
    lines = [heads, ["---", *("---:" for _ in chosen)]]
    best = {figure: best_arms(report, figure) for figure in chosen}
    lines += [[arm.name, *(_markdown_cell(arm, figure, best[figure]) for figure in chosen)] for arm in report.arms]
    return "".join("| " + " | ".join(_escaped(cell) for cell in line) + " |\n" for line in lines)


def _table(
    report: Report, arms: Sequence[Arm], pair: str, figures: Sequence[Figure], differences: Differences
) -> Table:
    table = Table(title=figures[0].about or None, title_justify="left", title_style="bold", header_style="bold")
    table.add_column("", min_width=12, overflow="fold")
    for arm in arms:
        steps = steps_text(report, arm)
        head = Text.assemble(arm.name, (f"\n{steps}", "dim not bold") if steps else "")
        table.add_column(head, justify="right", overflow="fold")
    for i, figure in enumerate(figures):
        best = best_arms(report, figure)
        head = Text.assemble(figure.title, " ", (ARROWS[figure.direction], "cyan"))
        if chance := chance_text(report, figure):
            head.append(f"\n{chance}", style="dim")
        last_of_group = i + 1 == len(figures) or figures[i + 1].heading != figure.heading
        cells = [_cell(report, arm, figure, best, differences) for arm in arms]
        table.add_row(head, *cells, end_section=last_of_group)
    return table


def _cell(report: Report, arm: Arm, figure: Figure, best: set[str], differences: Differences) -> Text:
    estimate = arm.metrics.get(figure.full_name)
    if estimate is None:
        return Text("·", style="dim")
    sign = marked(report, arm, figure, differences)
    text = Text(figure.text(estimate.value), style="bold" if arm.name in best else "")
    text.append(_SIGNS[sign], style=_STYLES[sign])
    if interval := figure.interval(estimate):
        text.append(f"\n{interval}", style="dim not bold")
    paired = seed_difference(report, arm, figure)
    if paired is not None and paired.low is not None and paired.high is not None:
        half = figure.number((paired.high - paired.low) / 2)
        text.append(f"\nΔ {figure.signed(paired.value)} ± {half}", style="dim not bold")
    return text


def _footnotes(report: Report, baseline: str | None, differences: Differences | None) -> Iterator[str]:
    if any(estimate.low is not None for arm in report.arms for estimate in arm.metrics.values()):
        yield "[low, high]: 95% interval. Arrows point to better; bold: best of the row."
    if baseline is not None and differences:
        yield marks_key(report, baseline)
    if baseline is not None and report.data.get("seed_differences"):
        yield "Δ: that difference paired by seed, of three seeds or more, ± half of its 95% interval (Student's t)."
    if note := withheld_note(report):
        yield note
    for item in report.skipped:
        yield f"left out: {item.what} ({item.reason})"


def _markdown_head(figure: Figure, several_pairs: bool) -> str:
    pair = f"{figure.about}: " if several_pairs and figure.pair else ""
    return f"{pair}{figure.title} {ARROWS[figure.direction]}".strip()


def _markdown_cell(arm: Arm, figure: Figure, best: set[str]) -> str:
    estimate = arm.metrics.get(figure.full_name)
    if estimate is None:
        return ""
    value = figure.text(estimate.value)
    return f"{f'**{value}**' if arm.name in best else value} {figure.interval(estimate)}".strip()


def _escaped(cell: str) -> str:
    return printable(cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " "))
