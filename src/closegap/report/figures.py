"""The pieces a page is made of: sections with controls, plots of plotly traces, and colours that follow the theme.

A plot is plain JSON with three additions that the page resolves: `{"$color": name}` is a colour of the current theme,
`{"$data": key}` an array that several traces share (with `"$rows"`, only those rows of it), and a trace's `when` maps
controls to the options under which the trace is drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from markupsafe import Markup

When: TypeAlias = Mapping[str, str]
"""Control name to the option under which something is shown."""

SERIES = 8
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "hexagon", "triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True)
class Control:
    """A choice that the reader has.

    Args:
        name: unique in its section.
        label: what is chosen.
        options: value to label.
        selected: the option shown first; default the first.
        notes: option to a sentence that is read beside it.
    """

    name: str
    label: str
    options: Mapping[str, str]
    selected: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def compact(self) -> bool:
        """Whether all options fit beside each other."""
        return len(self.options) <= 3 and sum(map(len, self.options.values())) <= 48

    @property
    def initial(self) -> str:
        """The option shown first."""
        return self.selected or next(iter(self.options))


@dataclass(frozen=True)
class Note:
    """A sentence under a plot, shown under some options only."""

    text: str
    when: When = field(default_factory=dict)


@dataclass(frozen=True)
class Plot:
    """One plotly figure.

    Args:
        traces: plotly traces; `when` (see `When`) selects them.
        layout: plotly layout; fonts, margins and colours come from the page.
        layouts: changes to the layout under some options.
        notes: sentences under the plot.
        shape: "square", or "wide" for the page's usual height.
    """

    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any] = field(default_factory=dict)
    layouts: Sequence[tuple[When, Mapping[str, Any]]] = ()
    notes: Sequence[Note] = ()
    shape: str = "wide"


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Args:
        title: heading.
        lead: plain text under the heading; how to read what follows.
        html: trusted markup; elements with `data-when` (JSON of a `When`) follow the controls.
        controls: choices of the reader.
        plots: figures, in a grid.
        shared: arrays that the plots refer to.
        per_row: plots beside each other where the page is wide enough.
    """

    title: str
    lead: str = ""
    html: Markup = field(default_factory=Markup)
    controls: Sequence[Control] = ()
    plots: Sequence[Plot] = ()
    shared: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    per_row: int = 1


def color(name: str, alpha: float = 1.0) -> dict[str, Any]:
    """A colour of the theme: "text", "muted", "grid", "surface"; resolved by the page."""
    return {"$color": name, "alpha": alpha}


def series_color(index: int, alpha: float = 1.0) -> dict[str, Any]:
    """The colour of the index-th arm, modality or label."""
    return color(f"series-{index % SERIES}", alpha)


def legend(names: Sequence[str], colors: Sequence[str] | None = None) -> Markup:
    """What the colours mean, once for all plots of a section; colours default to those of the series."""
    swatch = Markup('<span class="entry"><i style="background: var(--{})"></i>{}</span>')
    paints = colors or [f"series-{i % SERIES}" for i in range(len(names))]
    entries = Markup("").join(swatch.format(paint, name) for paint, name in zip(paints, names, strict=True))
    return Markup('<p class="legend">{}</p>').format(entries)


def options(names: Sequence[str]) -> dict[str, str]:
    """Options that are called what they are."""
    return {name: name for name in names}


def plotly_text(text: str, limit: int = 160) -> str:
    """User text that plotly shows as it is: its pseudo-HTML made inert, cut at `limit` characters, wrapped.

    Example:
        >>> plotly_text("a <b>")
        'a &lt;b&gt;'
    """
    words = (text if len(text) <= limit else text[: limit - 1].rstrip() + "…").split()
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) < 56:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "<br>".join(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in lines)
