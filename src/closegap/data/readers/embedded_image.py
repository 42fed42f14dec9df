"""Images stored as bytes in the rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from closegap.errors import DataError, needs
from closegap.files import digest, whole_file
from closegap.kinds.decoding import decode_image
from closegap.kinds.place import Place

with needs("image"):
    from PIL import Image


@dataclass(frozen=True)
class EmbeddedImage:
    """The image in row `row` of record batch `batch` of an Arrow stream; an `ImageSource`.

    The file is memory-mapped, so that a worker reads the bytes of this image alone.

    Args:
        file: the Arrow stream.
        batch: which of its record batches.
        row: which row of the batch.
        column: a column of structs with a field `bytes`.
    """

    file: Path
    batch: int
    row: int
    column: str = "image"

    def content(self) -> bytes:
        """The encoded image; empty where the row has none."""
        cell = arrow_batches(self.file)[self.batch].column(self.column)[self.row].as_py()
        return (cell or {}).get("bytes") or b""

    def open(self) -> Image.Image:
        """The image, as upright RGB."""
        return decode_image(self.content(), str(self))

    def fingerprint(self) -> bytes:
        """Digest of the encoded image."""
        return digest(self.content()).encode()

    def place(self) -> Place:
        """The stream, and where in it."""
        return Place(self.file, f"{self.batch}/{self.row}")

    def __str__(self) -> str:
        return f"{self.file}, batch {self.batch}, row {self.row}"


@lru_cache(maxsize=64)
def arrow_batches(file: Path) -> Sequence[pa.RecordBatch]:
    """The record batches of an Arrow stream, mapped into memory rather than read.

    Raises:
        DataError: a missing or damaged file.
    """
    try:
        with pa.memory_map(str(file)) as mapped, pa.ipc.open_stream(mapped) as reader:
            return list(reader)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{file}: not an Arrow stream, or a damaged one ({error}); delete it, it is made again"
        ) from error


def arrow_copy(table: Path, folder: Path) -> Path:
    """An Arrow stream in `folder` with the rows of a Parquet file, made once.

    One row of a Parquet file cannot be read without its compressed row group; a row of an Arrow stream can.

    Raises:
        DataError: a damaged Parquet file.
    """
    status = table.stat()
    stamp = f"{table.absolute()} {status.st_size} {status.st_mtime_ns}"
    copy = folder / f"{table.stem}-{digest(stamp.encode())}.arrow"
    if copy.is_file():
        return copy
    try:
        with (
            pq.ParquetFile(table) as source,
            whole_file(copy) as temporary,
            pa.OSFile(str(temporary), "wb") as sink,
            pa.ipc.new_stream(sink, source.schema_arrow) as writer,
        ):
            for batch in source.iter_batches(batch_size=100):
                writer.write_batch(batch)
    except pa.ArrowException as error:
        raise DataError(f"{table}: not a Parquet file, or a damaged one ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(
            f"{table}: cannot be copied to {folder} ({error}); set CLOSEGAP_CACHE to a roomy folder"
        ) from error
    return copy
