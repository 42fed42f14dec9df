"""Building an archive beside the place where it is to be, and putting it there as a whole."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from closegap.disk import sync, writing
from closegap.errors import ClosegapError, DataError, UsageError
from closegap.files import whole_folder, write_text
from closegap.lock import locked
from closegap.runs.log import Nobody, Watcher
from closegap.search.archive.about import About
from closegap.search.archive.adding import add_rows
from closegap.search.archive.archive import MODEL, Archive
from closegap.search.archive.fitting import Wanted, fitted_corrections
from closegap.search.archive.gate import Gate
from closegap.search.archive.sources import Opened

_ARCHIVE, _REPLACED, _WORK = "archive", "replaced", "work.json"


@dataclass(frozen=True)
class Plan:
    """What an archive is to be.

    Args:
        wanted: corrections to fit.
        thumbnails: whether pictures are kept.
        gate: of an archive that is declared to be de-identified.
        trusted: import paths of further parts that may be loaded.
    """

    wanted: Wanted = field(default_factory=Wanted)
    thumbnails: bool = False
    gate: Gate = field(default_factory=Gate)
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Built:
    """What came of it.

    Args:
        rows: by modality.
        fitted_on: what the corrections were fitted on, a line each.
    """

    rows: dict[str, int]
    fitted_on: tuple[str, ...]


def build(
    source: Opened,
    plan: Plan,
    out: Path,
    watcher: Watcher | None = None,
    overwrite: bool = False,
) -> Built:
    """Build an archive into `out`: whole or not at all; what a killed call left in OUT.parts is gone on with.

    What is refused leaves nothing, but for rows that a model embedded before an item that cannot be read.

    Args:
        source: of the rows.
        plan: what is made of them.
        out: the archive's folder.
        watcher: who is told how it goes.
        overwrite: whether what is there is replaced, in the end.

    Raises:
        UsageError: OUT.parts holds another work.
        ClosegapError: more is re-linked than the limit allows, or another process builds into `out`.
    """
    parts = out.with_name(f"{out.name}.parts")
    with _swept(parts), locked(parts, "index build"):
        folder, begun = parts / _ARCHIVE, _begun(parts, source.work)
        if out.exists() and not begun and not overwrite:
            raise UsageError(f"{out}: exists; replace it with --overwrite, or choose another --out")
        if begun and not folder.is_dir():  # a kill came between the archive's getting its name and this
            with Archive(out, trusted=plan.trusted) as archive:
                built = Built(archive.rows(), tuple(archive.corrections.fitted_on))
        else:
            if not folder.is_dir():
                _begin(folder, source, plan)
            write_text(parts / _WORK, json.dumps({"work": source.work}))
            with _refused(parts):
                built = _filled(folder, source, plan, watcher or Nobody())
            _publish(folder, out)
        shutil.rmtree(parts / _REPLACED, ignore_errors=True)
        (parts / _WORK).unlink(missing_ok=True)
    return built


@contextmanager
def _swept(parts: Path) -> Iterator[None]:
    """Stands around the lock, whose files lie in the folder; takes it away at the end if it is empty."""
    try:
        yield
    finally:
        with suppress(OSError):
            parts.rmdir()


@contextmanager
def _refused(parts: Path) -> Iterator[None]:
    """What is refused leaves nothing; a kill, a full disk, an engine that is gone leave what is to be gone on with."""
    try:
        yield
    except (DataError, UsageError):
        shutil.rmtree(parts / _ARCHIVE, ignore_errors=True)
        (parts / _WORK).unlink(missing_ok=True)
        raise


def _filled(folder: Path, source: Opened, plan: Plan, watcher: Watcher) -> Built:
    """Put rows and corrections into an archive that was begun.

    Raises:
        DataError: more is re-linked than the plan allows, or an item cannot be read and nothing was embedded before it.
        ClosegapError: an item cannot be read, and what a model embedded before it is worth keeping.
    """
    _about(source, plan).write(folder)  # what was begun may have been declared otherwise
    with Archive(folder, "write", plan.trusted) as archive:
        try:
            add_rows(archive.index, source.feed, archive.corrections, watcher.work)
        except DataError as error:
            if source.model is None or not any(archive.rows().values()):
                raise
            raise ClosegapError(
                f"{error}; rows embedded before are kept: mend it and give the command again"
            ) from error
        corrections = fitted_corrections(archive, plan.wanted, source.brought)
        plan.gate.expect(archive.index, archive.modalities, corrections)
        archive.put(corrections, watcher.work)
        return Built(archive.rows(), tuple(corrections.fitted_on))


def _begun(parts: Path, work: str) -> bool:
    """Whether this work was begun before.

    Raises:
        UsageError: another was.
    """
    path = parts / _WORK
    if not path.is_file():
        return False
    if json.loads(path.read_text(encoding="utf-8")).get("work") != work:
        raise UsageError(f"{parts}: holds an unfinished archive of something else; delete it, or choose another --out")
    return True


def _begin(folder: Path, source: Opened, plan: Plan) -> None:
    """An archive without rows."""
    with whole_folder(folder) as temporary:
        if source.model is not None:
            source.model.save_pretrained(temporary / MODEL)
        _about(source, plan).write(temporary)


def _about(source: Opened, plan: Plan) -> About:
    return About(
        source.feed.modalities,
        source.model is not None,
        source.name,
        labels=source.feed.labels,
        thumbnails=plan.thumbnails,
        relinkage_limit=plan.gate.limit,
    )


def _publish(folder: Path, out: Path) -> None:
    """Give the folder its name; what had it waits beside the folder to be deleted."""
    with writing(out):
        if out.exists():
            out.rename(folder.with_name(_REPLACED))
        folder.rename(out)
        sync(out.parent)
