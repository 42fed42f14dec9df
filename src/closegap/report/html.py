"""The self-contained HTML page of a report: nothing is fetched, user text is inert, light and dark."""

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from closegap.errors import MissingExtraError, needs
from closegap.evaluation.report import Report
from closegap.report.figures import Section


def render_html(
    report: Report,
    sections: Sequence[Section],
    *,
    title: str,
    verdict: str,
    made: date,
    version: str,
    warnings: Sequence[str] = (),
    opening: Section | None = None,
) -> str:
    """The page as one string.

    A content security policy with the digests of the page's own scripts forbids every request and every other script.
    Without plotly the page has everything but its figures, and says in their place what to install.

    Args:
        report: its `data` is the line of facts in the header.
        sections: what the page shows, in this order.
        title: heading of the page.
        verdict: one sentence with the result.
        made: date of the report.
        version: of closegap.
        warnings: what a reader must know before reading any number.
        opening: what is seen before anything else, right below the sentence.
    """
    plotly, missing = Markup(""), ""
    if any(section.plots for section in sections):
        try:
            plotly = _script(_plotly())
        except MissingExtraError as error:
            missing = f"The figures of this section are not drawn: {error}."
    behaviour = _script(_asset("report.js"))
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; media-src data:; script-src "
    page = render(
        "page.html",
        title=title,
        verdict=verdict,
        made=made.isoformat(),
        version=version,
        warnings=warnings,
        facts=facts(report.data),
        sections=[(section, _payload(section, drawn=not (missing and section.plots))) for section in sections],
        opening=None if opening is None else (opening, _payload(opening, drawn=True)),
        missing=missing,
        style=Markup(_asset("report.css")),
        plotly=plotly,
        behaviour=behaviour,
        policy=policy + _digests(plotly, behaviour),
    )
    return str(page)


def render(template: str, **values: Any) -> Markup:
    """A template of this package filled in; every value that is not markup is escaped."""
    return Markup(_environment().get_template(template).render(**values))


def script_json(value: Any) -> Markup:
    """JSON for a script element: no value can end the element; numbers that are not finite become null."""
    text = json.dumps(_finite(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


_ELSEWHERE = frozenset({"compared_with", "controls", "notes", "placebos", "reliability", "steps"})


def facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the data are, as pairs of name and text; what tables and warnings say is left to them.

    Example:
        >>> facts({"split": "test", "gallery": {"image": 473}, "seeds": [0, 1]})
        [('split', 'test'), ('gallery', 'image 473'), ('seeds', '0, 1')]
    """
    return [
        (name.replace("_", " "), text)
        for name, value in data.items()
        if name not in _ELSEWHERE and (text := _fact(value))
    ]


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        inner_values = list(value.values())
        if any(isinstance(inner, Mapping) for inner in inner_values):
            return ""  # a table of its own, not a fact
        if inner_values and isinstance(inner_values[0], list) and all(v == inner_values[0] for v in inner_values):
            return _fact(inner_values[0])  # every arm has the same seeds
        return ", ".join(f"{str(name).replace('_', ' ')} {_fact(inner)}" for name, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_fact(inner) for inner in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def _payload(section: Section, *, drawn: bool) -> Markup:
    return script_json(
        {
            "state": {control.name: control.initial for control in section.controls},
            "plots": [
                {"traces": plot.traces, "layout": plot.layout, "layouts": [list(patch) for patch in plot.layouts]}
                for plot in section.plots
                if drawn
            ],
            "shared": section.shared if drawn else {},
        }
    )


def _plotly() -> str:
    """The source of plotly's script.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    with needs("plots"):
        from plotly.offline import get_plotlyjs
    return str(get_plotlyjs())


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(inner) for name, inner in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, Sequence):
        return [_finite(inner) for inner in value]
    number = float(value)
    return number if math.isfinite(number) else None


def _script(source: str) -> Markup:
    if "</script" in source.lower() or "<!--" in source:
        source = source.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return Markup(source)


def _digests(*scripts: str) -> str:
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts if script]
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def _asset(name: str) -> str:
    return (resources.files("closegap.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("closegap.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["script_json"] = script_json
    return environment
