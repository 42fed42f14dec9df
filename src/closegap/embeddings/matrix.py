"""The embeddings of one modality, from the formats people keep them in."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, cast
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor

from closegap.embeddings.array_file import ArrayFile, reading
from closegap.embeddings.npy import expect_sensible_size, mapped_npy, npy_header, npz_members, unpacked
from closegap.embeddings.row_norms import row_norms, unusable_row
from closegap.errors import DataError, UsageError

_BLOCK = 8192
_EXACT = 1e-5  # norms this close to 1 are left alone, so that a mapped file is not copied
_ROUNDED = 1e-3  # norms this close to 1 were stored in half precision; normalising them is no news
_FLOATS = ("F16", "BF16", "F32", "F64")


def load_array(source: ArrayFile | str | Path) -> Float[Tensor, "n d"]:
    """The array as stored, float16, bfloat16, float32 or float64; memory-mapped from .npy and .safetensors.

    Args:
        source: .npy; .npz or .safetensors (key: the array); .parquet (key: a column of lists of one length). The key
            may be left out where there is one candidate; text is read as FILE or FILE:KEY. Nothing is unpickled.

    Raises:
        DataError: a missing, damaged or empty file, another dtype, or a shape other than (rows, width).
        UsageError: an unknown suffix or key, or several candidates and no key.
    """
    source = ArrayFile.of(source)
    suffix = source.path.suffix
    if suffix not in _READERS:
        raise UsageError(f"{source.path}: unknown kind of file '{suffix}'; expected {', '.join(_READERS)}")
    with reading(source.path):
        return checked_array(_READERS[suffix](source), source.path)


def unit_rows(rows: Float[Tensor, "n d"], name: str | Path) -> tuple[Float[Tensor, "n d"], str | None]:
    """The rows in float32 and unit-norm, and a note where norms were changed.

    Float32 rows that are unit-norm already are returned as they are, without a copy.

    Args:
        rows: what `load_array` gave.
        name: of the file or the modality, for messages.

    Raises:
        DataError: a row that holds NaN, has an infinite norm or is zero.
    """
    norms = row_norms(rows)
    if bad := unusable_row(norms):
        raise DataError(f"{name}: row {bad[0]} {bad[1]}; leave it out of every array (rows count from 0)")
    off = (norms - 1).abs()
    if rows.dtype == torch.float32 and off.max() <= _EXACT:
        return rows, None
    result = torch.empty(rows.shape, dtype=torch.float32)
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        result[part] = rows[part].double() / norms[part, None]
    changed = int((off > _ROUNDED).sum())
    if not changed:
        return result, None
    return result, (
        f"{name}: {changed} of {len(rows)} rows were not unit-norm (norms {norms.min():.4g} to "
        f"{norms.max():.4g}) and were normalised"
    )


def checked_array(array: np.ndarray | Tensor, name: str | Path) -> Float[Tensor, "n d"]:
    """The array as a tensor, not copied where it need not be.

    Args:
        array: what was given.
        name: of the file or the modality, for messages.

    Raises:
        DataError: a dtype other than half, single or double precision, or a shape other than (rows, width).
    """
    _expect_rows(array.dtype, tuple(array.shape), name)
    if isinstance(array, Tensor):
        return array
    return torch.from_numpy(np.require(array, dtype=array.dtype.newbyteorder("="), requirements="W"))  # else no copy


def _expect_rows(dtype: np.dtype | torch.dtype, shape: tuple[int, ...], name: str | Path) -> None:
    """Refuse anything but rows of floating-point numbers, before they are read."""
    floating = dtype.is_floating_point if isinstance(dtype, torch.dtype) else dtype.kind == "f" and dtype.itemsize <= 8
    if not floating:
        raise DataError(f"{name}: dtype {dtype}; expected float16, float32 or float64")
    if len(shape) != 2:
        raise DataError(f"{name}: shape {shape}; expected two dimensions, (rows, width)")
    if 0 in shape:
        raise DataError(f"{name}: empty, shape {shape}; expected at least one row and one column")


def _npy(source: ArrayFile) -> np.ndarray:
    source.refuse_key()
    with source.path.open("rb") as file:
        header = npy_header(file, source.path.stat().st_size)
    _expect_rows(header.dtype, header.shape, source.path)
    return mapped_npy(source.path, header)


def _npz(source: ArrayFile) -> np.ndarray:
    with ZipFile(source.path) as archive:
        members = npz_members(archive)
        member = members[source.chosen(list(members), "array")]
        with archive.open(member) as file:
            header = npy_header(cast("BinaryIO", file), member.file_size)
            _expect_rows(header.dtype, header.shape, source.path)
            return unpacked(cast("BinaryIO", file), header, member.compress_size, source.path)


def _safetensors(source: ArrayFile) -> Tensor:
    with safe_open(source.path, framework="pt") as opened:
        key = source.chosen(sorted(opened.keys()), "array")
        if (dtype := opened.get_slice(key).get_dtype()) not in _FLOATS:
            raise DataError(f"{source.path}: dtype {dtype}; expected float16, float32 or float64")
        tensor: Tensor = opened.get_tensor(key)
        return tensor


def _lists(source: ArrayFile) -> np.ndarray:
    with pq.ParquetFile(source.path, memory_map=True) as opened:
        fields = [field.name for field in opened.schema_arrow if _holds_floats(field.type)]
        column = source.chosen(fields, "column of float lists")
        expect_sensible_size(8 * _declared(opened.metadata, column), source.path.stat().st_size, source.path)
        values = opened.read([column]).column(column).combine_chunks()
    lengths = pc.list_value_length(values)
    known = lengths.drop_null()
    width = known[0].as_py() if len(known) else 0
    other = pc.fill_null(pc.not_equal(lengths, width), True)
    if pc.any(other).as_py():
        row = pc.index(other, True).as_py()
        given = lengths[row].as_py()
        found = "no list" if given is None else f"{given} values"
        raise DataError(
            f"{source.path}: row {row} of column '{column}' has {found}, expected {width} (rows count from 0)"
        )
    flat: np.ndarray = values.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(values), width)


def _holds_floats(kind: pa.DataType) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(lists and pa.types.is_floating(kind.value_type))


def _declared(metadata: pq.FileMetaData, column: str) -> int:
    """How many values a column of lists says it has: encoded by their runs, a few bytes hold billions."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    return sum(chunk.num_values for chunk in chunks if chunk.path_in_schema.startswith(f"{column}."))


_READERS: Mapping[str, Callable[[ArrayFile], np.ndarray | Tensor]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".parquet": _lists,
}
