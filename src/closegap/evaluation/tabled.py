"""A report as a person or a program reads it outside its page: text, HTML for a notebook, a data frame."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from closegap.evaluation.columns import best_arms, key_columns
from closegap.evaluation.report import Arm, Report
from closegap.metrics.figure import ARROWS, Figure
from closegap.printable import printable

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 46  # characters of a figure's title


def text_table(report: Report) -> str:
    """Key figures as rows, arms as columns; a star marks the best of a row."""
    if not report.arms:
        return "Report(no arms)"
    widths = [max(len(arm.name), 22) for arm in report.arms]
    lines = [" " * _WIDTH + "".join(f"  {arm.name:>{width}}" for arm, width in zip(report.arms, widths, strict=True))]
    for figure in _keys(report):
        best = best_arms(report, figure)
        cells = (_text(arm, figure) + (" *" if arm.name in best else "") for arm in report.arms)
        row = "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        lines.append(f"{_title(figure)[:_WIDTH]:<{_WIDTH}}{row}")
    return printable("\n".join([*lines, *_remarks(report)]))


def html_table(report: Report) -> Markup:
    """The same as an HTML table; names are escaped."""
    head = Markup("").join(Markup("<th>{}</th>").format(arm.name) for arm in report.arms)
    rows = [
        Markup('<tr><td style="text-align: left" title="{}">{}</td>{}</tr>').format(
            figure.meaning, _title(figure), _html_cells(report, figure)
        )
        for figure in _keys(report)
    ]
    remarks = Markup("<br>").join(escape(line) for line in _remarks(report))
    return Markup("<table><thead><tr><th></th>{}</tr></thead><tbody>{}</tbody></table><p>{}</p>").format(
        head, Markup("").join(rows), remarks
    )


def frame(report: Report) -> "pd.DataFrame":
    """Every number of every arm, a row each: arm, metric, value, low, high, label, direction, unit.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    from closegap.errors import needs

    with needs("pandas"):
        import pandas as pd

    return pd.DataFrame(_rows(report))


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    for arm in report.arms:
        for name, estimate in arm.metrics.items():
            figure = report.figures[name]
            about = {"label": figure.title, "direction": figure.direction, "unit": figure.unit}
            yield {"arm": arm.name, "metric": name, **vars(estimate), **about}


def _keys(report: Report) -> list[Figure]:
    return [figure for figures in key_columns(report).values() for figure in figures]


def _title(figure: Figure) -> str:
    pair = f"{figure.pair.replace('|', ' and ')}: " if figure.pair else ""
    return f"{pair}{figure.title} {ARROWS[figure.direction]}".rstrip()


def _text(arm: Arm, figure: Figure) -> str:
    estimate = arm.metrics.get(figure.full_name)
    return "" if estimate is None else f"{figure.text(estimate.value)} {figure.interval(estimate)}".rstrip()


def _html_cells(report: Report, figure: Figure) -> Markup:
    best = best_arms(report, figure)
    return Markup("").join(
        Markup("<td><b>{}</b></td>" if arm.name in best else "<td>{}</td>").format(_text(arm, figure))
        for arm in report.arms
    )


def _remarks(report: Report) -> Iterator[str]:
    yield from report.data.get("notes", ())
    if report.skipped:
        yield f"{len(report.skipped)} left out, with reasons: report.skipped"
    yield f"{len(report.figures)} figures in all: report.arms, report.to_pandas(); [95% interval]"
