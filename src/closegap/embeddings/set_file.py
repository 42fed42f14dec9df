"""An embedding set as two files that are one thing: arrays in .safetensors, and the table of their rows in .parquet.

The arrays name the digest of their table. It is written under a name of its own, then the arrays are replaced, then it
is renamed into place: whatever stops this, what is read is the older set or the newer one.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from safetensors import safe_open
from torch import Tensor

from closegap.disk import sync, writing
from closegap.embeddings.table_of_rows import read_columns, table_content
from closegap.errors import DataError, UsageError
from closegap.files import file_digest, sweep, whole_file
from closegap.sealed import load_sealed, read_says, save_sealed

KEY = "closegap"
"""Of the metadata of the .safetensors file."""

_FORMAT = 2
_EMBEDDINGS, _PRESENT = "embeddings/", "present/"
_AGAIN = "write the set again, with `closegap embed` or EmbeddingSet.save"
_BLOCK = 16384


def write_set(
    path: Path,
    embeddings: Mapping[str, Float[Tensor, "n d"]],
    present: Mapping[str, Bool[Tensor, "n"]],
    columns: Mapping[str, Any],
    meta: Mapping[str, Any],
) -> None:
    """Write the two files.

    Args:
        path: the .safetensors file; the table is its namesake.
        embeddings: modality to rows.
        present: modality to the rows that have it.
        columns: ids, groups, labels and concepts, as `EmbeddingSet` takes them.
        meta: JSON.

    Raises:
        DataError: a present row that is not finite.
    """
    for name, rows in embeddings.items():
        _expect_finite(path, name, columns["ids"], present.get(name), torch.split(rows, _BLOCK))
    tensors = {_EMBEDDINGS + name: rows for name, rows in embeddings.items()}
    tensors |= {_PRESENT + name: rows for name, rows in present.items()}
    with whole_set(path, list(embeddings), columns, meta) as says:
        save_sealed(path, tensors, KEY, says)


@contextmanager
def whole_set(
    path: Path, modalities: Sequence[str], columns: Mapping[str, Any], meta: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """What is said of itself by the .safetensors file, which is written meanwhile; its table is there when this ends.

    Raises:
        UsageError: a file of another suffix.
    """
    if path.suffix != ".safetensors":
        raise UsageError(f"{path}: expected a file that ends in .safetensors")
    content = table_content(columns["ids"], columns["groups"], columns["labels"], columns["concepts"])
    table = hashlib.blake2b(content, digest_size=16).hexdigest()
    _settle(path)
    (waiting,) = _waiting(path, table)
    with whole_file(waiting) as temporary:
        temporary.write_bytes(content)
    try:
        yield {"format": _FORMAT, "modalities": list(modalities), "meta": dict(meta), "table": table}
    except BaseException:
        waiting.unlink(missing_ok=True)
        raise
    _place(waiting, path)


def read_set(path: Path) -> dict[str, Any]:
    """The arguments of the `EmbeddingSet` that was written; tensors are memory-mapped.

    Raises:
        DataError: a missing or damaged file, one that another program wrote, or arrays beside another set's table.
    """
    said = read_says(path, KEY, _AGAIN)
    if said.get("format") != _FORMAT:
        raise DataError(f"{path}: not an embedding set of this version; {_AGAIN}")
    tensors = load_sealed(path, _AGAIN)
    modalities, meta = said.get("modalities"), said.get("meta")
    if not isinstance(modalities, list) or not isinstance(meta, dict):
        raise DataError(f"{path}: its metadata have no list of modalities or no meta; {_AGAIN}")
    for key, of, what in (("notes", str, "texts"), ("posthoc", dict, "methods")):
        items = meta.get(key, [])
        if not isinstance(items, list) or not all(isinstance(item, of) for item in items):
            raise DataError(f"{path}: '{key}' of its meta is no list of {what}; {_AGAIN}")
    columns = read_columns(_table_of(path, said.get("table")), _AGAIN)
    present = {name.removeprefix(_PRESENT): mask for name, mask in tensors.items() if name.startswith(_PRESENT)}
    _expect_tensors(path, tensors, modalities, len(columns["ids"]))
    for name in modalities:
        _expect_finite(path, name, columns["ids"], present.get(name), _blocks(path, _EMBEDDINGS + name))
    return {
        "embeddings": {name: tensors[_EMBEDDINGS + name] for name in modalities},
        "present": present,
        "meta": meta,
        **columns,
    }


def _table_of(path: Path, digest: object) -> Path:
    """The table that the arrays name: in its place, or where a kill left it."""
    places = [path.with_suffix(".parquet"), *_waiting(path, digest)]
    there = [place for place in places if place.is_file()]
    for place in there:
        if file_digest(place) == digest:
            return place
    if not there:
        raise DataError(
            f"{places[0]}: no such file; an embedding set is a .safetensors file with its .parquet beside it"
        )
    raise DataError(f"{places[0]}: not the table of {path.name}, or damaged; copy both files again, or {_AGAIN}")


def _waiting(path: Path, digest: object) -> list[Path]:
    """Where the table of this digest is before it takes its place; none where it is no digest."""
    return (
        [path.with_name(f".{path.stem}.{digest}.parquet")]
        if isinstance(digest, str) and re.fullmatch("[0-9a-f]{32}", digest)
        else []
    )


def _settle(path: Path) -> None:
    """Finish what a kill stopped, and sweep what it left."""
    if path.is_file():
        with suppress(DataError):  # a damaged one is about to be replaced
            for waiting in _waiting(path, read_says(path, KEY, _AGAIN).get("table")):
                if waiting.is_file():
                    _place(waiting, path)
    for left in path.parent.glob(f".{escape(path.stem)}.{'[0-9a-f]' * 32}.parquet"):
        left.unlink(missing_ok=True)
    sweep(path.parent, escape(path.name))
    sweep(path.parent, f".{escape(path.stem)}.{'[0-9a-f]' * 32}.parquet")


def _place(waiting: Path, path: Path) -> None:
    table = path.with_suffix(".parquet")
    with writing(table):
        waiting.replace(table)
        sync(table.parent)


def _expect_tensors(path: Path, tensors: Mapping[str, Tensor], modalities: Sequence[Any], rows: int) -> None:
    """Refuse other tensors than embeddings and presence of the modalities, or ones of other shapes or types."""
    if (
        not modalities
        or not all(isinstance(name, str) for name in modalities)
        or len(set(modalities)) < len(modalities)
    ):
        raise DataError(f"{path}: modalities {modalities!r}, expected one name or more, each once; {_AGAIN}")
    if not rows:
        raise DataError(f"{path}: has no rows; embed a split that has cases")
    allowed = {prefix + name for prefix in (_EMBEDDINGS, _PRESENT) for name in modalities}
    for name in sorted(tensors.keys() - allowed | {_EMBEDDINGS + name for name in modalities} - tensors.keys()):
        raise DataError(f"{path}: {'an unknown' if name in tensors else 'no'} tensor '{name}'; {_AGAIN}")
    types = {tensors[_EMBEDDINGS + name].dtype for name in modalities}
    for name, tensor in tensors.items():
        form = f"{tensor.dtype} {tuple(tensor.shape)}"
        if name.startswith(_PRESENT) and (tensor.dtype != torch.bool or tensor.shape != (rows,)):
            raise DataError(f"{path}: '{name}' is {form}, expected torch.bool ({rows},); {_AGAIN}")
        if name.startswith(_EMBEDDINGS):
            matrix = tensor.ndim == 2 and len(tensor) == rows and tensor.shape[1] > 0
            if not matrix or not tensor.is_floating_point() or len(types) > 1:
                raise DataError(
                    f"{path}: '{name}' is {form}, expected floats of ({rows}, width), of one type in all modalities; "
                    f"{_AGAIN}"
                )


def _blocks(path: Path, name: str) -> Iterator[Tensor]:
    """Rows of a tensor some at a time, each in a mapping of its own, so that memory holds no more of a large file."""
    start, rows = 0, 1
    while start < rows:
        with safe_open(path, framework="pt") as opened:
            held = opened.get_slice(name)
            rows = held.get_shape()[0]
            yield held[start : start + _BLOCK]
        start += _BLOCK


def _expect_finite(
    path: Path, name: str, ids: Sequence[str], mask: Bool[Tensor, "n"] | None, blocks: Iterable[Tensor]
) -> None:
    start = 0
    for block in blocks:
        bad = ~block.isfinite().all(1)
        if mask is not None:
            bad &= mask[start : start + len(block)]
        if bad.any():
            row = start + int(bad.nonzero()[0, 0])
            raise DataError(f"{path}: {name} of row {row} (id '{ids[row]}') is not finite; leave the row out")
        start += len(block)
