"""The folder of captions: tables, page and report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from markupsafe import Markup

from closegap.caption.arms import CaptionedArm, captions_compared
from closegap.caption.page import write_captions_report
from closegap.caption.predictions import TABLE, write_predictions
from closegap.caption.scoring import Scoring
from closegap.evaluation.compare import Comparison

_SHOWN = 50  # images on a page


@dataclass(frozen=True)
class CaptionsFolder:
    """What `write_captions` wrote.

    Args:
        page: its path.
        tables: the path of each run's table to the run's captions.
        comparison: the scores; None where nothing is known to be true.
    """

    page: Path
    tables: Mapping[Path, CaptionedArm]
    comparison: Comparison | None


def write_captions(
    written: Sequence[CaptionedArm],
    split: str,
    out: Path,
    scoring: Scoring,
    title: str = "Generated captions",
    cases: bool = True,
) -> CaptionsFolder:
    """Write a table for each run, report.html and, where captions are known, report.json.

    Args:
        written: what `caption_runs` returned.
        split: what the images are called.
        out: the folder; created if needed.
        scoring: what was measured.
        title: of the page.
        cases: whether the page shows cases; a run with `train.show_cases: false` hides them all the same.
    """
    comparison = captions_compared(written, split, scoring)
    own = [one for one in written if one.run is not None]
    tables = {
        TABLE if len(own) == 1 else f"captions-{number}-{one.name}.csv": one for number, one in enumerate(own, start=1)
    }
    page = write_arms_page(written, comparison, out, title, tables, cases)
    return CaptionsFolder(page, {out / name: one for name, one in tables.items()}, comparison)


def write_arms_page(
    written: Sequence[CaptionedArm],
    comparison: Comparison | None,
    folder: Path,
    title: str,
    tables: Mapping[str, CaptionedArm] | None = None,
    cases: bool = True,
) -> Path:
    """Write report.html, report.json where there is a comparison, and tables of captions; the path of the page."""
    first = written[0]

    def table(one: CaptionedArm, path: Path) -> None:
        write_predictions(path, [case.id for case in one.cases], one.generated)

    def picture(row: int) -> Markup:
        return first.kind.show(first.cases[row].views[first.image][0])

    generated = {one.arm: one.generated for one in reversed(written)}  # of several seeds, the first is shown
    shown = {arm: generated[arm] for arm in dict.fromkeys(one.arm for one in written)}
    return write_captions_report(
        folder,
        [case.id for case in first.cases],
        shown,
        picture,
        references=first.references,
        comparison=comparison,
        baselines=[one.arm for one in written if one.run is None],
        title=title,
        shown=_SHOWN if cases and all(one.shown for one in written) else 0,
        beside={name: partial(table, one) for name, one in (tables or {}).items()},
    )
