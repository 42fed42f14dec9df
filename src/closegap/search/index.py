"""What every index offers, whatever engine keeps it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, final

import numpy as np
from jaxtyping import Float

from closegap.errors import UsageError
from closegap.progress import Progress
from closegap.search.checks import checked_batch, checked_names, checked_queries, name_problem
from closegap.search.filter import Filter, parse_filter
from closegap.search.row import Batch, Found, Stats


class Index(ABC):
    """Unit rows, a partition for each modality, searched by inner product, with what corrects them kept beside them.

    Callers use `add`, `search`, `delete`, `drop`, `count`, `put_corrections`, and the methods that only read; these
    check what is given, once. An engine writes the abstract methods, and is told what was checked already.

    - Each call sees one committed state, the newest when it began, whoever wrote it.
    - A call that writes is seen whole or not at all, also by others, also after a kill at any moment. What it returned
      from outlasts the process.
    - Any number of processes read while one writes; a second writer waits, or is refused in one line.
    - An index that was opened to be read refuses to be written to.

    Use it in a `with` statement, or `close` it. It may be used from several threads, but is opened anew after a fork.
    """

    @final
    def add(self, batches: Mapping[str, Batch]) -> int:
        """Keep rows of one or several partitions: all of them become visible together. A new partition is made.

        A row whose id is in the partition already replaces the row there, and stands last from then on; if all of it
        is the same it stays where it is. Adding once more what was added changes nothing: after a kill, add it again.

        Args:
            batches: by partition.

        Returns:
            How many rows are new or were changed.

        Raises:
            UsageError: what was given is not of this shape.
            DataError: a row or a vector that no index keeps: of another width, not finite, not unit-norm, an id twice.
        """
        widths = self.stats().widths
        checked = {name: checked_batch(name, batch, widths.get(name)) for name, batch in batches.items()}
        return self.insert({name: batch for name, batch in checked.items() if batch.rows})

    @final
    def search(
        self,
        partition: str,
        vectors: Float[np.ndarray, "q d"],
        k: int,
        where: Filter | str | None = None,
        exact: bool = True,
    ) -> Found:
        """The `k` rows of a partition that are nearest to each query.

        Args:
            partition: the modality that is searched.
            vectors: finite, of any length.
            k: at least 1.
            where: a condition on `Row.values`, which all rows found satisfy.
            exact: every row is compared, and the order is that of the inner products of what `read` returns, in double
                precision; rows whose vectors are equal come in the order in which they were added. If not, an engine
                may look at fewer rows.

        Raises:
            UsageError: an unknown partition, a `k` below 1, a condition that cannot be read.
            DataError: queries of another width, or not finite.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise UsageError(f"k: {k!r} given, expected a whole number of at least 1")
        queries = checked_queries(partition, vectors, self._width(partition))
        return self.nearest(partition, queries, k, _condition(where), exact)

    @final
    def delete(self, cases: Iterable[str] = (), groups: Iterable[str] = ()) -> int:
        """Forget cases, and the cases of groups, in all partitions: no call that begins later finds any of their rows.

        A case goes as a whole, if only one of its rows is of a group. Their bytes may be kept until `purge`.

        Returns:
            How many rows were there.
        """
        return self.discard(checked_names("cases", cases), checked_names("groups", groups))

    @final
    def drop(self, partition: str) -> None:
        """Forget a partition with all its rows; one that is not there is no error.

        Their bytes may be kept until `purge`.
        """
        if partition in self.stats().widths:
            self.discard_partition(partition)

    @final
    def count(self, partition: str, where: Filter | str | None = None) -> int:
        """How many rows of a partition satisfy a condition.

        Raises:
            UsageError: an unknown partition, or a condition that cannot be read.
        """
        self._width(partition)
        return self.matching(partition, _condition(where))

    @final
    def put_corrections(self, files: Mapping[str, bytes]) -> int:
        """Keep what corrects the rows' scores, such as a post-hoc map or a calibration, as the set that holds from now.

        Args:
            files: the whole set, by name; what is not in it is in earlier versions alone.

        Returns:
            Its version, higher than all before.
        """
        for name in files:
            if problem := name_problem(name):
                raise UsageError(f"correction {str(name)[:80]!r} {problem}; choose another name")
        return self.insert_corrections({name: bytes(content) for name, content in files.items()})

    def optimize(self, progress: Progress | None = None) -> None:
        """Make ready what searches with `exact=False` go through, after many rows were added, or after `purge`.

        What they find is right without it, and may take longer. An engine that has nothing of the kind, or keeps it
        ready as rows come, does nothing.

        Args:
            progress: called with (rows done, rows to do), from any thread.
        """
        del progress

    @abstractmethod
    def corrections(self, version: int | None = None) -> dict[str, bytes]:
        """The files of a version, of the newest by default; none if nothing was put yet.

        Raises:
            UsageError: no such version.
        """

    @abstractmethod
    def ids(self, partition: str, cases: Sequence[str] | None = None, limit: int | None = None) -> list[str]:
        """The ids of a partition's rows, of these cases or of all, in the order in which they were added.

        Args:
            partition: that is there.
            cases: whose rows; all by default.
            limit: how many at most, the first; all by default.

        Raises:
            UsageError: an unknown partition.
        """

    @abstractmethod
    def read(self, partition: str, ids: Sequence[str]) -> Batch:
        """The rows of these ids, in the order of `ids`, as they are kept; ids that are not there are left out.

        Previews are given always. Vectors are in float32, whatever precision they are kept in.

        Raises:
            UsageError: an unknown partition.
        """

    @abstractmethod
    def purge(self) -> None:
        """Erase from the disk what was deleted or replaced, and all versions of the corrections but the newest.

        When it returns, `Stats.unpurged` is 0. After a kill, purge again.
        """

    @abstractmethod
    def stats(self) -> Stats:
        """What is in the index; quick enough to be asked before every call."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it; a second time, too."""

    @abstractmethod
    def insert(self, batches: Mapping[str, Batch]) -> int:
        """What `add` does, with checked rows in float32, none of the batches empty; there may be no batch."""

    @abstractmethod
    def nearest(
        self, partition: str, queries: Float[np.ndarray, "q d"], k: int, where: Filter | None, exact: bool
    ) -> Found:
        """What `search` does, in a partition that is there, with queries of its width; there may be no query."""

    @abstractmethod
    def discard(self, cases: Sequence[str], groups: Sequence[str]) -> int:
        """What `delete` does; the names may not be in the index."""

    @abstractmethod
    def discard_partition(self, partition: str) -> None:
        """What `drop` does, with a partition that is there."""

    @abstractmethod
    def matching(self, partition: str, where: Filter | None) -> int:
        """What `count` does, in a partition that is there."""

    @abstractmethod
    def insert_corrections(self, files: Mapping[str, bytes]) -> int:
        """What `put_corrections` does."""

    @final
    def __enter__(self) -> Self:
        return self

    @final
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _width(self, partition: str) -> int:
        """Of the vectors of a partition; an engine that has seen it need not ask its server again."""
        widths = self.stats().widths
        if partition not in widths:
            raise UsageError(unknown(partition, widths))
        return widths[partition]


def unknown(partition: str, there: Iterable[str]) -> str:
    """What is said of a partition that an index does not have."""
    return f"partition {partition[:80]!r} is not in the index, which has {', '.join(there) or 'none'}; name one of them"


def _condition(where: Any) -> Filter | None:
    return parse_filter(where) if isinstance(where, str) else where
