"""Building an archive beside the place where it is to be, and putting it there as a whole."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from closegap.disk import sync, writing
from closegap.errors import ClosegapError, DataError, UsageError
from closegap.files import digest, whole_folder, write_text
from closegap.lock import locked
from closegap.runs.log import Nobody, Watcher
from closegap.search.archive.about import About, Engine
from closegap.search.archive.adding import add_rows, forget_others
from closegap.search.archive.archive import MODEL, Archive
from closegap.search.archive.engine import INDEX, give_up, release, reserve, settle
from closegap.search.archive.fitting import Wanted, fitted_corrections
from closegap.search.archive.gate import Gate
from closegap.search.archive.sources import Opened
from closegap.search.embedded.index import EmbeddedIndex
from closegap.search.embedded.state import Storage
from closegap.search.engines import expect_public

_ARCHIVE, _REPLACED, _WORK = "archive", "replaced", "work.json"


@dataclass(frozen=True)
class Plan:
    """What an archive is to be.

    Args:
        wanted: corrections to fit.
        thumbnails: whether pictures are kept.
        gate: of an archive that is declared to be de-identified.
        trusted: import paths of further parts that may be loaded.
        engine: address of the engine that is to keep the rows, without a password; None for the folder itself.
        storage: what the folder keeps rows as, of `EmbeddedIndex`; None for float32.

    Raises:
        UsageError: the engine's address is none, or holds a password.
    """

    wanted: Wanted = field(default_factory=Wanted)
    thumbnails: bool = False
    gate: Gate = field(default_factory=Gate)
    trusted: tuple[str, ...] = ()
    engine: str | None = None
    storage: Storage | None = None

    def __post_init__(self) -> None:
        if self.engine is not None:
            expect_public(self.engine)


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

    What is refused leaves nothing, but for rows that a model embedded.
    Rows that another engine is to keep are put together in OUT.parts, too, and copied there when all are sound.

    Args:
        source: of the rows.
        plan: what is made of them.
        out: the archive's folder.
        watcher: who is told how it goes.
        overwrite: whether what is there is replaced, in the end.

    Raises:
        UsageError: OUT.parts holds another work, or the engine the rows of another archive.
        UnavailableError: the engine does not answer.
        ClosegapError: more is re-linked than the limit allows, or another process builds into `out`.
    """
    watcher = watcher or Nobody()
    kept = [part for part in (plan.engine, plan.storage) if part is not None]
    work = digest(source.work.encode(), *(part.encode() for part in kept)) if kept else source.work
    parts = out.with_name(f"{out.name}.parts")
    with _swept(parts), locked(parts, "index build"):
        folder, begun = parts / _ARCHIVE, _begun(parts, work)
        if out.exists() and not begun and not overwrite:
            raise UsageError(f"{out}: exists; replace it with --overwrite, or choose another --out")
        if begun and not folder.is_dir():  # a kill came between the archive's getting its name and this
            built = _built(out, plan)
        else:
            engine = None if plan.engine is None else Engine(plan.engine, begun.get("id") or uuid4().hex)
            if engine is not None:
                reserve(engine, try_only=True)
            if not folder.is_dir():
                _begin(folder, source, plan)
            write_text(parts / _WORK, json.dumps({"work": work, "id": engine and engine.id}))
            with _refused(parts, engine):
                if engine is not None:
                    reserve(engine)
                built = _filled(folder, source, plan, watcher)
            if engine is not None:
                _settled(folder, engine, plan, watcher)
            _publish(folder, out)
        give_up(parts / _REPLACED, plan.trusted)
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
def _refused(parts: Path, engine: Engine | None) -> Iterator[None]:
    """What is refused leaves nothing; a kill, a full disk, an engine that is gone leave what is to be gone on with."""
    try:
        yield
    except (DataError, UsageError):
        if engine is not None:
            release(engine)
        shutil.rmtree(parts / _ARCHIVE, ignore_errors=True)
        (parts / _WORK).unlink(missing_ok=True)
        raise


def _built(folder: Path, plan: Plan) -> Built:
    with Archive(folder, trusted=_trusted(plan)) as archive:
        return Built(archive.rows(), tuple(archive.corrections.fitted_on))


def _trusted(plan: Plan) -> tuple[str, ...]:
    """An engine's class is trusted by whoever names it."""
    return plan.trusted if plan.engine is None else (*plan.trusted, plan.engine.partition("://")[0])


def _filled(folder: Path, source: Opened, plan: Plan, watcher: Watcher) -> Built:
    """Put rows and corrections into an archive that was begun.

    Raises:
        DataError: an item cannot be read, nothing can be fitted, or more is re-linked than the plan allows.
        ClosegapError: the same, and what a model embedded is worth keeping.
    """
    if About.read(folder).engine is not None:  # a kill came after all was copied
        return _built(folder, plan)
    _about(source, plan).write(folder)  # what was begun may have been declared otherwise
    with Archive(folder, "write", plan.trusted) as archive:
        try:
            add_rows(archive.index, source.feed, archive.corrections, watcher.work)
            if source.changes:
                forget_others(archive.index, source.feed)
            corrections = fitted_corrections(archive, plan.wanted, source.brought)
            plan.gate.expect(archive.index, archive.modalities, corrections)
        except DataError as error:
            if source.model is None or not any(archive.rows().values()):
                raise
            raise ClosegapError(
                f"{error}; what was embedded is kept in {folder.parent}: mend it and give the command again"
            ) from error
        archive.put(corrections, watcher.work)
        return Built(archive.rows(), tuple(corrections.fitted_on))


def _settled(folder: Path, engine: Engine, plan: Plan, watcher: Watcher) -> None:
    """Have the engine keep the rows of an archive, and the folder no more."""
    about = About.read(folder)
    if about.engine is None:
        with Archive(folder, trusted=plan.trusted) as archive:
            settle(archive.index, engine, watcher.work)
        replace(about, engine=engine).write(folder)
    shutil.rmtree(folder / INDEX, ignore_errors=True)


def _begun(parts: Path, work: str) -> Mapping[str, str]:
    """What is known of this work, if it was begun before; else nothing.

    Raises:
        UsageError: another was.
    """
    path = parts / _WORK
    if not path.is_file():
        return {}
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    if known.get("work") != work:
        raise UsageError(f"{parts}: holds an unfinished archive of something else; delete it, or choose another --out")
    return known


def _begin(folder: Path, source: Opened, plan: Plan) -> None:
    """An archive without rows."""
    with whole_folder(folder) as temporary:
        if source.model is not None:
            source.model.save_pretrained(temporary / MODEL)
        EmbeddedIndex(temporary / INDEX, "write", plan.storage).close()
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
