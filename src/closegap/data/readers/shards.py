"""Data sets of millions of cases as a few large files: indexed tar archives, read at random without being held."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from closegap.data.case import Case, Row
from closegap.data.source import Source
from closegap.errors import DataError
from closegap.files import regular
from closegap.kinds.base import Kind
from closegap.kinds.names import name_of, own_kind
from closegap.kinds.stored import Stored

INDEX = "cases.parquet"
KINDS = b"closegap.kinds"
"""In the index's metadata: modality to the name of its kind, as JSON."""

_UNREADABLE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)  # of rows that we did not write


class Shards(Source):
    """What `write_shards` wrote.

    Args:
        root: the folder of the archives and their index.
        kinds: modality to the kind of its items, where it is none of closegap's own: the index names it, and nothing
            that a folder of data names is imported unasked.
    """

    def __init__(self, root: Path, kinds: dict[str, Kind] | None = None) -> None:
        self._root, self._given = Path(root), dict(kinds or {})

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Of the modalities that the shards were written with.

        Raises:
            DataError: no index, one that another program wrote, or a kind that has to be given.
        """
        path = self._root / INDEX
        try:
            schema = pq.read_schema(regular(path))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: no index of shards; `closegap shard --out {self._root}` writes one") from error
        if KINDS not in (schema.metadata or {}):
            raise DataError(f"{path}: not an index of shards; `closegap shard` writes one")
        try:
            named = dict(json.loads(schema.metadata[KINDS]).items())
        except _UNREADABLE as error:
            raise DataError(f"{path}: damaged (it names no kinds); copy the shards again") from error
        return {name: self._kind(name, kind) for name, kind in named.items()}

    def rows(self) -> Iterator[Row]:
        """The cases, in the order in which they were written.

        Raises:
            DataError: no index, a damaged one, or one that another program wrote.
        """
        kinds, index, number = self.kinds, self._root / INDEX, -1
        try:
            for batch in pq.ParquetFile(index, page_checksum_verification=True).iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield self._case(row, kinds)
        except DataError:
            raise
        except (pa.ArrowException, OSError, *_UNREADABLE) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise DataError(
                f"{index}: row {number} or the one after it cannot be read ({reason}); copy the shards again"
            ) from error

    def _case(self, row: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Case:
        given, labels, concepts = json.loads(row["views"]), json.loads(row["labels"]), row["concepts"]
        texts = [row["id"], row["split"], row["group"], *labels.keys(), *labels.values(), *concepts]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("expected texts as id, split, group, labels and concepts")
        views = {name: tuple(self._item(kinds[name], packed) for packed in items) for name, items in given.items()}
        return Case(row["id"], row["split"], row["group"], views, labels, tuple(concepts))

    def _kind(self, modality: str, name: str) -> Kind:
        found = self._given.get(modality) or own_kind(name)
        if found is None:
            raise DataError(
                f"{self._root / INDEX}: modality '{modality}' is of kind {name}, which is none of closegap's; if you "
                f"trust it, name its class: data.kinds: {{{modality}: {{class_path: {name}}}}}"
            )
        if name_of(found) != name:
            raise DataError(
                f"{self._root / INDEX}: modality '{modality}' is of kind {name}, given {name_of(found)} in data.kinds"
            )
        return found

    def _item(self, kind: Kind, packed: Any) -> Any:
        if kind.compact:
            return kind.unpack(packed.encode("utf-8", errors="surrogatepass"))
        shard, offset, size, content_digest = packed
        if (
            not all(type(value) is int and value >= 0 for value in (shard, offset, size))
            or type(content_digest) is not str
        ):
            raise TypeError(f"{packed!r} is no place in an archive")
        return kind.stored(Stored(self._root / archive_name(shard), offset, size, content_digest))


def archive_name(number: int) -> str:
    """Name of an archive in the folder."""
    return f"{number:06d}.tar"
