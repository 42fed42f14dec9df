"""A report's files, which belong together."""

from collections.abc import Callable, Mapping
from pathlib import Path

from closegap.disk import writing
from closegap.evaluation.report import Report
from closegap.files import remove, whole_files
from closegap.lock import locked


def write_report(
    folder: Path,
    report: Report | None,
    page: str,
    verb: str,
    beside: Mapping[str, Callable[[Path], None]] | None = None,
) -> Path:
    """Write report.html and, where there is a report, report.json: all of one call, whenever it is killed, or none.

    Args:
        folder: made if needed.
        report: None where nothing was measured.
        page: the text of report.html.
        verb: the command that reports, for one that wants to write there at the same time.
        beside: name of a further file to what writes it.

    Returns:
        The path of the page.

    Raises:
        ClosegapError: the disk is full or read-only, or another command writes there.
    """
    writers: dict[str, Callable[[Path], None]] = {}
    if report is not None:
        writers["report.json"] = lambda path: _write(path, report.to_json())
    writers["report.html"] = lambda path: _write(path, page)
    writers |= beside or {}
    with locked(folder, verb):
        if report is None:
            remove(folder / "report.json")
        with whole_files(*(folder / name for name in writers)) as temporaries:
            for (name, write), temporary in zip(writers.items(), temporaries, strict=True):
                with writing(folder / name):
                    write(temporary)
    return folder / "report.html"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
