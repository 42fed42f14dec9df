"""The embeddings of one modality, from the formats people keep them in."""

from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor

from closegap.embeddings.array_file import ArrayFile, reading
from closegap.errors import DataError, UsageError

_BLOCK = 8192
_EXACT = 1e-5  # norms this close to 1 are left alone, so that a mapped file is not copied
_ROUNDED = 1e-3  # norms this close to 1 were stored in half precision; normalising them is no news
_SUFFIXES = (".npy", ".npz", ".safetensors", ".parquet")


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
    if suffix not in _SUFFIXES:
        raise UsageError(f"{source.path}: unknown kind of file '{suffix}'; expected {', '.join(_SUFFIXES)}")
    with reading(source.path):
        if suffix == ".npy":
            source.refuse_key()
            return checked_array(np.lib.format.open_memmap(source.path, mode="c"), source.path)
        if suffix == ".npz":
            if not is_zipfile(source.path):
                raise BadZipFile("no archive of arrays")
            with np.load(source.path, allow_pickle=False) as archive:
                return checked_array(archive[source.chosen(archive.files, "array")], source.path)
        if suffix == ".safetensors":
            with safe_open(source.path, framework="pt") as opened:
                return checked_array(opened.get_tensor(source.chosen(sorted(opened.keys()), "array")), source.path)
        return checked_array(_lists(source), source.path)


def unit_rows(rows: Float[Tensor, "n d"], name: str | Path) -> tuple[Float[Tensor, "n d"], str | None]:
    """The rows in float32 and unit-norm, and a note where norms were changed.

    Float32 rows that are unit-norm already are returned as they are, without a copy.

    Args:
        rows: what `load_array` gave.
        name: of the file or the modality, for messages.

    Raises:
        DataError: a row that holds NaN, has an infinite norm or is zero.
    """
    norms = torch.cat([block.double().norm(dim=1) for block in torch.split(rows, _BLOCK)])
    bad = (~norms.isfinite() | (norms == 0)).nonzero()[:, 0].tolist()
    if bad:
        first = rows[bad[0]]
        what = "holds NaN" if first.isnan().any() else "is zero" if norms[bad[0]] == 0 else "has an infinite norm"
        more = f" (and {len(bad) - 1} more like it)" if len(bad) > 1 else ""
        raise DataError(f"{name}: row {bad[0]} {what}{more}; leave it out of every array (rows count from 0)")
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
    shape = tuple(array.shape)
    floating = (
        array.is_floating_point() if isinstance(array, Tensor) else array.dtype.kind == "f" and array.itemsize <= 8
    )
    if not floating:
        raise DataError(f"{name}: dtype {array.dtype}; expected float16, float32 or float64")
    if len(shape) != 2:
        raise DataError(f"{name}: shape {shape}; expected two dimensions, (rows, width)")
    if 0 in shape:
        raise DataError(f"{name}: empty, shape {shape}; expected at least one row and one column")
    if isinstance(array, Tensor):
        return array
    return torch.from_numpy(np.require(array, dtype=array.dtype.newbyteorder("="), requirements="W"))  # else no copy


def _lists(source: ArrayFile) -> np.ndarray:
    schema = pq.read_schema(source.path)
    column = source.chosen([field.name for field in schema if _holds_floats(field.type)], "column of float lists")
    values = pq.read_table(source.path, columns=[column], memory_map=True).column(column).combine_chunks()
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
