"""Tensors on disk, found by key: an index says in which shard, and only rows that are asked for are read."""

import logging
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from closegap.files import digest, whole_file

_LOG = logging.getLogger(__name__)
_INDEX = "index.sqlite3"
_TABLES = """
CREATE TABLE IF NOT EXISTS shards (number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, shard INT NOT NULL, row INT NOT NULL) WITHOUT ROWID;
"""
_DAMAGED = (SafetensorError, KeyError, IndexError, FileNotFoundError)  # or of another version
_AT_ONCE = 900  # variables of a statement that every SQLite takes

_Found = TypeVar("_Found")
_Connection = sqlite3.Connection


class RowStore:
    """Rows of one shape and dtype in a folder of shards.

    Shards are whole or absent, and say themselves which keys they hold, with a digest of every row; the index beside
    them is found again from them when it is missing, damaged or behind. Several processes may read and write at once.

    Args:
        folder: made when the first rows are added.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, keys: Sequence[str]) -> dict[str, Tensor]:
        """The rows of those keys that are there. A damaged shard is deleted, and its rows are not there.

        Args:
            keys: in hexadecimal.
        """
        if not self.folder.is_dir() or not keys:
            return {}
        wanted = list(dict.fromkeys(keys))
        places = self._with_index(lambda index: _find(index, self._held, wanted))
        rows: dict[str, Tensor] = {}
        for shard, held in places.items():
            try:
                rows |= self._rows_of(shard, held)
            except _DAMAGED:
                (self.folder / shard).unlink(missing_ok=True)
        return rows

    def places(self, keys: Sequence[str]) -> dict[str, tuple[Path, int]]:
        """File and row of those keys that are there, whose rows are read once to see that they are whole.

        Args:
            keys: in hexadecimal.
        """
        if not self.folder.is_dir() or not keys:
            return {}
        wanted = list(dict.fromkeys(keys))
        found: dict[str, tuple[Path, int]] = {}
        for shard, held in self._with_index(lambda index: _find(index, self._held, wanted)).items():
            try:
                self._rows_of(shard, held)
            except _DAMAGED:
                (self.folder / shard).unlink(missing_ok=True)
            else:
                found |= {key: (self.folder / shard, row) for key, row in held.items()}
        return found

    def add(self, keys: Sequence[str], rows: Tensor) -> None:
        """Write a shard, whole or not at all.

        Args:
            keys: in hexadecimal, all of one length.
            rows: one per key.
        """
        shard = f"{digest(*map(str.encode, keys))}.safetensors"
        with whole_file(self.folder / shard) as temporary:
            digests = _packed([_row_digest(key, row) for key, row in zip(keys, rows, strict=True)])
            save_file({"keys": _packed(keys), "rows": rows.contiguous(), "digests": digests}, temporary)
        self._with_index(lambda index: _enter(index, {shard: [bytes.fromhex(key) for key in keys]}))

    def _held(self) -> dict[str, Path]:
        return {path.name: path for path in sorted(self.folder.glob("[0-9a-f]*.safetensors"))}

    def _rows_of(self, shard: str, held: Mapping[str, int]) -> dict[str, Tensor]:
        """Rows of a shard by key; the file is mapped, so that no others are read.

        Raises:
            KeyError: it holds something else than the index says, or than was written.
        """
        numbers = torch.tensor(list(held.values()))
        with safe_open(self.folder / shard, "pt") as file:
            keys, rows, digests = (file.get_tensor(name)[numbers] for name in ("keys", "rows", "digests"))
        if [key.tobytes().hex() for key in keys.numpy()] != list(held):
            raise KeyError(shard)
        if not _packed([_row_digest(key, row) for key, row in zip(held, rows, strict=True)]).equal(digests):
            raise KeyError(shard)
        return dict(zip(held, rows.unbind(), strict=True))

    def _with_index(self, action: Callable[[_Connection], _Found]) -> _Found:
        """What `action` finds in the index; in one of this call alone where none can be kept."""
        file = self.folder / _INDEX
        try:
            try:
                return _run(file, action)
            except sqlite3.OperationalError:  # read-only, full, locked for too long: somebody else's to mend
                raise
            except sqlite3.DatabaseError:  # no database any more; it is found again from the shards
                file.unlink(missing_ok=True)
                return _run(file, action)
        except sqlite3.OperationalError as error:
            _LOG.warning("%s: every shard is opened, for this index cannot be kept (%s)", file, error)
            return _run(":memory:", action)


def _packed(values: Sequence[str]) -> Tensor:
    """Bytes in hexadecimal, all of one length, as rows of bytes."""
    return torch.frombuffer(bytearray(b"".join(map(bytes.fromhex, values))), dtype=torch.uint8).view(len(values), -1)


def _row_digest(key: str, row: Tensor) -> str:
    """Of a row, and of what it is: that another key's, or of another shape or dtype, is not taken for it."""
    form = f"{key} {row.dtype} {tuple(row.shape)}"
    return digest(form.encode(), row.contiguous().view(-1).view(torch.uint8).numpy().data)


def _run(file: Path | str, action: Callable[[_Connection], _Found]) -> _Found:
    with closing(sqlite3.connect(file, timeout=30)) as index, index:
        index.executescript(_TABLES)
        return action(index)


def _find(
    index: _Connection, shards: Callable[[], Mapping[str, Path]], keys: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Where the keys are: shard to key to row. The index is brought up to the shards that are there if they differ."""
    known = {name for (name,) in index.execute("SELECT name FROM shards")}
    held = shards()  # after the index: a shard that another process adds meanwhile is there before its entry
    if known - held.keys():
        _forget(index, known - held.keys())
    if held.keys() - known:
        _enter(index, _keys_of([held[name] for name in held if name not in known]))
    places: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for first in range(0, len(keys), _AT_ONCE):
        chunk = [bytes.fromhex(key) for key in keys[first : first + _AT_ONCE]]
        # In one statement: another process may enter a shard between two.
        found = index.execute(
            "SELECT key, name, row FROM rows JOIN shards ON shard = number "
            f"WHERE key IN ({','.join('?' * len(chunk))})",
            chunk,
        )
        for key, shard, row in found:
            places[shard][key.hex()] = row
    return places


def _enter(index: _Connection, shards: Mapping[str, Sequence[bytes]]) -> None:
    """Write where the keys are; of a key in two shards, which hold the same row, the last one counts."""
    for name, keys in shards.items():
        index.execute("INSERT OR IGNORE INTO shards (name) VALUES (?)", (name,))
        ((number,),) = index.execute("SELECT number FROM shards WHERE name = ?", (name,))
        places = sorted((key, number, row) for row, key in enumerate(keys))
        index.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", places)


def _forget(index: _Connection, names: set[str]) -> None:
    for name in sorted(names):
        index.execute("DELETE FROM rows WHERE shard IN (SELECT number FROM shards WHERE name = ?)", (name,))
        index.execute("DELETE FROM shards WHERE name = ?", (name,))


def _keys_of(paths: Sequence[Path]) -> dict[str, list[bytes]]:
    """Keys of shards in their order; a damaged one is deleted."""
    found = {}
    for path in paths:
        try:
            with safe_open(path, "pt") as file:
                file.get_slice("rows")
                found[path.name] = [key.tobytes() for key in file.get_tensor("keys").numpy()]
        except FileNotFoundError:
            continue
        except (SafetensorError, KeyError):
            path.unlink(missing_ok=True)
    return found
