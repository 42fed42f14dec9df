"""An archive of several modalities, asked as one."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import torch

from closegap.errors import DataError, UsageError
from closegap.lock import locked
from closegap.models.model import Model
from closegap.progress import Progress
from closegap.search.archive.about import About
from closegap.search.archive.answer import Answer
from closegap.search.archive.asked import Asking
from closegap.search.archive.corrections import Corrections
from closegap.search.archive.derived import derive
from closegap.search.archive.engine import expect_own, opened_index, signed
from closegap.search.archive.known import Known
from closegap.search.archive.merging import merged
from closegap.search.archive.moments import Moments
from closegap.search.archive.query import Merge, Query
from closegap.search.filter import parse_filter
from closegap.search.row import Stats

MODEL = "model"
"""Folder in an archive's, of the model."""

Mode = Literal["read", "write"]


def open(folder: Path | str, trusted: Sequence[str] = ()) -> "Archive":
    """The archive of a folder, to be asked.

    Args:
        folder: that `closegap index build` made.
        trusted: import paths of further parts of its model and its corrections that may be loaded.

    Raises:
        UsageError: no archive.
        DataError: a damaged one.
    """
    return Archive(folder, "read", trusted)


class Archive:
    """A folder that knows its index, the model that embeds questions, and what corrects the scores.

    Any number of processes ask while one writes; each question sees the newest committed state, corrections included.
    Use it in a `with` statement, or `close` it; from several threads, but opened anew after a fork.

    Args:
        folder: of the archive.
        mode: "read", or "write".
        trusted: import paths of further parts of its model and its corrections that may be loaded.

    Raises:
        UsageError: no archive.
        DataError: a damaged one.
    """

    def __init__(self, folder: Path | str, mode: Mode = "read", trusted: Sequence[str] = ()) -> None:
        self.folder, self.trusted = Path(folder), tuple(trusted)
        self.about = About.read(self.folder)
        self.index = opened_index(self.folder, self.about, mode, self.trusted)
        self._asking = Asking(self.index, self.modalities, self._load if self.about.model else None)
        self._known = Known(self.index, self.modalities)
        self._corrections: tuple[int, Corrections] = (0, Corrections())

    @property
    def modalities(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(self.about.modalities)

    @property
    def corrections(self) -> Corrections:
        """Those that hold now."""
        return self._newest()[1]

    def ask(self, query: Query | str) -> Answer:
        """The hits of a question, of all modalities in one list.

        Raises:
            UsageError: a modality, a case or a form of asking that the archive has not, a condition that cannot be
                read.
            QuestionError: an item that the archive's model cannot embed, such as a damaged image.
        """
        question = Query(query) if isinstance(query, str) else query
        return self.answers(question, [question.merge])[0]

    def answers(self, query: Query, merges: Sequence[Merge]) -> list[Answer]:
        """The answers to a question by each of several merges, of one version of the corrections; it is embedded once.

        Raises:
            UsageError: as `ask` does.
            QuestionError: likewise.
        """
        where = parse_filter(query.where) if isinstance(query.where, str) else query.where
        self._newest()  # the rows may be another archive's by now, of which nothing is to be said
        if where is not None:
            self._known.expect(where)
        embedded, query = self._asking.embedded(query), replace(query, where=where)
        while True:
            version, corrections = self._newest()
            try:
                asked = self._asking.moved(query, embedded, corrections)
                found = [
                    merged(self.index, self.about.modalities, replace(query, merge=merge), asked, corrections)
                    for merge in merges
                ]
            except UsageError:
                if self.index.stats().version == version:
                    raise
            else:  # what went wrong may be that moved rows were purged meanwhile
                return [replace(answer, version=version) for answer in found]

    def model(self) -> Model:
        """The model that embeds raw rows and questions.

        Raises:
            UsageError: the archive was built from embeddings.
        """
        return self._asking.model()

    def preview(self, modality: str, id: str) -> bytes:
        """What is kept of a row to be shown, whose form `shown.media_type` tells; b"" for nothing.

        Raises:
            UsageError: no such modality.
        """
        found = self.index.read(modality, [id])
        return bytes(found.previews[0]) if found.previews else b""

    def put(self, corrections: Corrections, progress: Progress | None = None) -> int:
        """Let corrections hold from now on; what they need of the rows is made first.

        Args:
            corrections: of `Corrections.of`.
            progress: called with (rows done, rows to do) where rows are moved, or approximate searches made ready.

        Returns:
            Their version.
        """
        with locked(self.folder, "index fit"):
            derive(self.index, corrections, self.modalities, progress)
            self.index.optimize(progress)
            return self._put(corrections)

    def delete(self, cases: Iterable[str] = (), groups: Iterable[str] = ()) -> int:
        """Forget cases, and the cases of groups; how many raw rows were there. Bytes may be kept until `purge`."""
        with locked(self.folder, "index delete"):
            before = sum(self.rows().values())
            self.index.delete(cases, groups)
            gone = before - sum(self.rows().values())
            if gone:
                self.refresh()
            return gone

    def purge(self, progress: Progress | None = None) -> None:
        """Erase what was deleted or replaced, older corrections, and rows that were moved for them.

        Args:
            progress: called with (rows done, rows to do) where the index is made ready again for approximate searches.
        """
        with locked(self.folder, "index purge"):
            self.refresh()
            held = {*self.modalities, *(self.corrections.partition(name) for name in self.modalities)}
            for partition in self.index.stats().widths:
                if partition not in held:
                    self.index.drop(partition)
            self.index.purge()
            self.index.optimize(progress)

    def refresh(self) -> None:
        """Bring what the corrections know of the rows up to date, where rows came or went since."""
        _, corrections = self._newest()
        rows = self.index.stats().rows
        counts = {name: held.count for name, held in corrections.moments.items()}
        if corrections.of_z_scores and counts != {name: rows.get(name, 0) for name in counts}:
            self._put(corrections)

    def rows(self) -> dict[str, int]:
        """How many raw rows there are of each modality."""
        rows = self.index.stats().rows
        return {name: rows.get(name, 0) for name in self.modalities}

    def stats(self) -> Stats:
        """What is in the index, moved rows included."""
        return self.index.stats()

    def close(self) -> None:
        """Let go of it; a second time, too."""
        self.index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _put(self, corrections: Corrections) -> int:
        moments = {}
        if corrections.of_z_scores:
            there = [corrections.partition(name) for name, count in self.rows().items() if count]
            moments = {name: Moments.of(self.index, name) for name in there}
        return self.index.put_corrections(signed(replace(corrections, moments=moments).files(), self.about.engine))

    def _newest(self) -> tuple[int, Corrections]:
        version = self.index.stats().version
        held = self._corrections
        if held[0] != version:
            with _own(self.folder):
                files = expect_own(self.index.corrections(), self.about.engine)
                held = self._corrections = (version, Corrections.read(files, self.trusted))
        return held

    def _load(self) -> Model:
        with torch.random.fork_rng(devices=[]), _own(self.folder):
            return Model.from_pretrained(self.folder / MODEL, self.trusted)


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    """What the archive itself says wrong is no fault of a question's.

    Raises:
        DataError: in place of a UsageError.
    """
    try:
        yield
    except UsageError as error:
        raise DataError(f"{folder}: {error}") from error
