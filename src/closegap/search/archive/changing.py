"""Changing an archive that is there: more rows, other corrections."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from closegap.disk import writing
from closegap.errors import UsageError
from closegap.lock import locked
from closegap.runs.log import Nobody, Watcher
from closegap.search.archive.adding import add_rows, copy_rows
from closegap.search.archive.archive import Archive
from closegap.search.archive.corrections import Corrections
from closegap.search.archive.feed import Feed
from closegap.search.archive.fitting import Wanted, fitted_corrections
from closegap.search.archive.gate import Gate, Relinked
from closegap.search.embedded.index import EmbeddedIndex


def add(
    archive: Archive,
    feed: Feed,
    watcher: Watcher | None = None,
    accepted: bool = False,
    told: Callable[[Relinked], None] = lambda _: None,
) -> int:
    """Put rows into an archive; what its corrections know of the rows is brought up to date.

    Of an archive that was declared to be de-identified, all rows as they would be are measured first.

    Args:
        archive: opened to be written to.
        feed: of its own model.
        watcher: who is told how it goes.
        accepted: whether more may be re-linked than the archive's limit.
        told: called with each re-linkage rate.

    Raises:
        UsageError: a modality that the archive has not.
        ClosegapError: more is re-linked than the limit allows, or another process writes to it.

    Returns:
        How many rows were embedded.
    """
    watcher, limit = watcher or Nobody(), archive.about.relinkage_limit
    for name in feed.modalities:
        if name not in archive.modalities:
            raise UsageError(f"modality '{name}' is not in the archive, which has {', '.join(archive.modalities)}")
    with locked(archive.folder, "index add"):
        if limit is None:
            made = add_rows(archive.index, feed, archive.corrections, watcher.work)
        else:
            made = _add_measured(archive, feed, watcher, Gate(limit, accepted, told))
        archive.index.optimize(watcher.work)
        archive.refresh()
    return made


def _add_measured(archive: Archive, feed: Feed, watcher: Watcher, gate: Gate) -> int:
    """Embed beside the archive, look at all rows together, then put the new ones in."""
    with (
        writing(archive.folder),
        TemporaryDirectory(prefix=".adding.", suffix=".unfinished", dir=archive.folder) as beside,
        EmbeddedIndex(Path(beside) / "index", "write") as index,
    ):
        copy_rows(archive.index, index, archive.modalities)
        made = add_rows(index, feed, Corrections(), watcher.work)
        gate.expect(index, archive.modalities, archive.corrections)
        add_rows(archive.index, feed, archive.corrections, watcher.work, known=index)
    return made


def refit(
    archive: Archive,
    wanted: Wanted,
    watcher: Watcher | None = None,
    accepted: bool = False,
    told: Callable[[Relinked], None] = lambda _: None,
) -> tuple[str, ...]:
    """Fit other corrections on an archive; nothing is embedded again, and a map that none is named for stays.

    Args:
        archive: opened to be written to.
        wanted: which.
        watcher: who is told how it goes.
        accepted: whether more may be re-linked than the archive's limit.
        told: called with each re-linkage rate.

    Raises:
        ClosegapError: more is re-linked than the limit allows, or another process writes to it.

    Returns:
        What they were fitted on, a line each.
    """
    held = archive.corrections
    with locked(archive.folder, "index fit"):
        found = fitted_corrections(archive, wanted, held.posthoc)
        if wanted.posthoc is None and held.posthoc is not None:
            found = replace(found, fitted_on=(*held.fitted_on[:1], *found.fitted_on[1:]))
        Gate(archive.about.relinkage_limit, accepted, told).expect(archive.index, archive.modalities, found)
        archive.put(found, (watcher or Nobody()).work)
    return tuple(found.fitted_on)
