"""Any data set as shards."""

import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from glob import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from closegap.data.case import Case
from closegap.data.readers.shards import INDEX, KINDS, archive_name
from closegap.files import digest, sweep, whole_folder
from closegap.kinds.base import Kind
from closegap.kinds.names import name_of

_COLUMNS = ("id", "split", "group", "labels", "concepts", "views")
_BLOCK = 512  # tar pads every member to whole blocks


def write_shards(
    cases: Sequence[Case],
    kinds: Mapping[str, Kind],
    folder: Path,
    shard_bytes: int = 2**30,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the cases to a new folder, packed as their kinds say; the number of tar archives.

    What packs to a short text (texts, codes, records) goes into the index, everything else into archives. Each archive
    holds cases one after the other, so that a shuffle by blocks (`train.shuffle_window`) reads it almost in order.
    Files keep their bytes; images that are rendered become PNG. Members are named as WebDataset names them.

    Args:
        cases: the cases, in the order in which they are written: shuffled beforehand if theirs means anything.
        kinds: modality name to the kind of its items; views of other modalities are left out.
        folder: must not exist.
        shard_bytes: after so many bytes the next archive begins.
        progress: called with (cases written, cases).
    """
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    sweep(folder.parent, escape(folder.name))
    with whole_folder(folder) as temporary:
        archives = _Archives(temporary, shard_bytes)
        for done, case in enumerate(cases, start=1):
            views = {
                name: [
                    _packed(kinds[name], item, archives, f"{done - 1:09d}.{name}.{i}") for i, item in enumerate(items)
                ]
                for name, items in case.views.items()
                if name in kinds
            }
            values = (case.id, case.split, case.group, json.dumps(dict(case.labels)), list(case.concepts))
            for column, value in zip(_COLUMNS, (*values, json.dumps(views)), strict=True):
                columns[column].append(value)
            if progress is not None:
                progress(done, len(cases))
        archives.close()
        described = json.dumps({name: name_of(kind) for name, kind in kinds.items()}).encode()
        types = {name: pa.list_(pa.string()) if name == "concepts" else pa.string() for name in _COLUMNS}
        table = pa.table({name: pa.array(columns[name], types[name]) for name in _COLUMNS})
        pq.write_table(table.replace_schema_metadata({KINDS: described}), temporary / INDEX, write_page_checksum=True)
    return archives.number


def _packed(kind: Kind, item: Any, archives: "_Archives", name: str) -> Any:
    """What the index holds of an item: all of it, or where it lies."""
    content = kind.pack(item)
    if kind.compact:
        return content.decode("utf-8", errors="surrogatepass")
    return archives.add(name + kind.suffix(content), content)


class _Archives:
    """Tar archives that are filled one after the other."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit, self.number = folder, limit, 0
        self.tar: tarfile.TarFile | None = None

    def add(self, name: str, content: bytes) -> list[Any]:
        """Append a member; archive, offset, size and digest."""
        if self.tar is None or self.tar.offset >= self.limit:
            self.close()
            self.tar = tarfile.open(self.folder / archive_name(self.number), "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
            self.number += 1
        member = tarfile.TarInfo(name)
        member.size = len(content)
        self.tar.addfile(member, BytesIO(content))
        offset = self.tar.offset - -(-len(content) // _BLOCK) * _BLOCK
        return [self.number - 1, offset, len(content), digest(content)]

    def close(self) -> None:
        if self.tar is not None:
            self.tar.close()
