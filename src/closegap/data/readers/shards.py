"""Data sets of millions of cases as a few large files: indexed tar archives, read at random without being held."""

import json
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from closegap.data.case import Case, Row, Source
from closegap.data.readers.embedded_image import EmbeddedImage
from closegap.errors import DataError, needs
from closegap.files import digest, whole_folder
from closegap.kinds.decoding import decode_image
from closegap.kinds.image_source import ImageSource

with needs("image"):
    from PIL import Image

_INDEX = "cases.parquet"
_COLUMNS = ("id", "split", "group", "labels", "concepts", "views")
_IMAGES = b"closegap.images"  # in the index's metadata: the modalities whose items are images
_BLOCK = 512  # tar pads every member to whole blocks


@dataclass(frozen=True)
class ShardedImage:
    """A member of a tar archive; an `ImageSource`. Only its own bytes are read, whatever surrounds them.

    Args:
        file: the archive.
        offset: where the member's bytes begin.
        size: how many they are.
        content_digest: their digest.
    """

    file: Path
    offset: int
    size: int
    content_digest: str

    def content(self) -> bytes:
        """The encoded image.

        Raises:
            DataError: a missing or shortened archive.
        """
        try:
            found = os.pread(_descriptor(self.file), self.size, self.offset)
        except OSError as error:
            raise DataError(f"{self.file}: cannot be read ({error.strerror or error})") from error
        if len(found) != self.size:
            raise DataError(f"{self.file}: ends before byte {self.offset + self.size}; copy it again")
        return found

    def open(self) -> Image.Image:
        """The image, as upright RGB."""
        return decode_image(self.content(), str(self))

    def fingerprint(self) -> bytes:
        """Digest of the encoded image, without reading it."""
        return self.content_digest.encode()

    def __str__(self) -> str:
        return f"{self.file}, byte {self.offset}"


class Shards(Source):
    """What `write_shards` wrote.

    Args:
        root: the folder of the archives and their index.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(root)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that the shards were written with."""
        return tuple(json.loads(self._schema().metadata[_IMAGES])["modalities"])

    def rows(self) -> Iterator[Row]:
        """The cases, in the order in which they were written.

        Raises:
            DataError: no index, or one that another program wrote.
        """
        images = set(json.loads(self._schema().metadata[_IMAGES])["images"])
        for batch in pq.ParquetFile(self._root / _INDEX).iter_batches():
            for row in batch.to_pylist():
                views = {
                    name: tuple(self._item(item) if name in images else _frozen(item) for item in items)
                    for name, items in json.loads(row["views"]).items()
                }
                labels = json.loads(row["labels"])
                yield Case(row["id"], row["split"], row["group"], views, labels, tuple(row["concepts"]))

    def _schema(self) -> pa.Schema:
        path = self._root / _INDEX
        try:
            schema = pq.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: no index of shards; `closegap shard --out {self._root}` writes one") from error
        if _IMAGES not in (schema.metadata or {}):
            raise DataError(f"{path}: not an index of shards; `closegap shard` writes one")
        return schema

    def _item(self, item: Sequence[Any]) -> ShardedImage:
        shard, offset, size, content_digest = item
        return ShardedImage(self._root / _name(shard), offset, size, content_digest)


def write_shards(
    cases: Sequence[Case],
    modalities: Sequence[str],
    folder: Path,
    shard_bytes: int = 2**30,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the cases to a new folder, their images into tar archives; the number of archives.

    Each archive holds cases one after the other, so that a shuffle by blocks (`train.shuffle_window`) reads it almost
    in order. Files keep their bytes; images that are rendered become PNG. Members are named as WebDataset names them.

    Args:
        cases: the cases, in the order in which they are written: shuffled beforehand if theirs means anything.
        modalities: names of the modalities.
        folder: must not exist.
        shard_bytes: after so many bytes the next archive begins.
        progress: called with (cases written, cases).
    """
    images = sorted({name for case in cases for name, items in case.views.items() if _is_image(items[0])})
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    with whole_folder(folder) as temporary:
        archives = _Archives(temporary, shard_bytes)
        for done, case in enumerate(cases, start=1):
            views = {
                name: [archives.add(f"{done - 1:09d}.{name}.{i}", item) for i, item in enumerate(items)]
                if name in images
                else list(items)
                for name, items in case.views.items()
            }
            values = (case.id, case.split, case.group, json.dumps(dict(case.labels)), list(case.concepts))
            for column, value in zip(_COLUMNS, (*values, json.dumps(views)), strict=True):
                columns[column].append(value)
            if progress is not None:
                progress(done, len(cases))
        archives.close()
        described = json.dumps({"modalities": list(modalities), "images": images}).encode()
        kinds = {name: pa.list_(pa.string()) if name == "concepts" else pa.string() for name in _COLUMNS}
        table = pa.table({name: pa.array(columns[name], kinds[name]) for name in _COLUMNS})
        pq.write_table(table.replace_schema_metadata({_IMAGES: described}), temporary / _INDEX)
    return archives.number


class _Archives:
    """Tar archives that are filled one after the other."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit, self.number = folder, limit, 0
        self.tar: tarfile.TarFile | None = None

    def add(self, name: str, item: Any) -> list[Any]:
        """Append an image; archive, offset, size and digest."""
        content, suffix = _encoded(item)
        if self.tar is None or self.tar.offset >= self.limit:
            self.close()
            self.tar = tarfile.open(self.folder / _name(self.number), "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
            self.number += 1
        member = tarfile.TarInfo(name + suffix)
        member.size = len(content)
        self.tar.addfile(member, BytesIO(content))
        offset = self.tar.offset - -(-len(content) // _BLOCK) * _BLOCK
        return [self.number - 1, offset, len(content), digest(content)]

    def close(self) -> None:
        if self.tar is not None:
            self.tar.close()


def _encoded(item: Any) -> tuple[bytes, str]:
    if isinstance(item, Path):
        return item.read_bytes(), item.suffix.lower()
    if isinstance(item, EmbeddedImage | ShardedImage):
        content = item.content()
        return content, f".{(Image.open(BytesIO(content)).format or 'image').lower()}"
    buffer = BytesIO()
    item.open().save(buffer, "PNG")
    return buffer.getvalue(), ".png"


def _is_image(item: Any) -> bool:
    return isinstance(item, Path | ImageSource)


def _frozen(item: Any) -> Any:
    """A concept set as the tuple that it was."""
    return tuple(item) if isinstance(item, list) else item


def _name(shard: int) -> str:
    return f"{shard:06d}.tar"


@lru_cache(maxsize=256)
def _descriptor(file: Path) -> int:
    """An open file that reads at any place without a position of its own, for as long as the process lives."""
    return os.open(file, os.O_RDONLY)
