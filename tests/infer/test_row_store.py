"""Rows come back bit for bit; the index is a convenience that may be lost, late or wrong."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import torch
from acceptance.forked import Child
from safetensors.torch import load_file, save_file
from torch import Tensor

from closegap.files import digest
from closegap.infer.row_store import RowStore

INDEX = "index.sqlite3"


def keys(*names: object) -> list[str]:
    return [digest(str(name).encode()) for name in names]


def filled(folder: Path, shards: int = 3, rows: int = 4) -> tuple[RowStore, list[str], Tensor]:
    """A store of several shards, with all that is in it."""
    store, values = RowStore(folder), torch.randn(shards * rows, 5)
    held = keys(*range(shards * rows))
    for first in range(0, len(held), rows):
        store.add(held[first : first + rows], values[first : first + rows])
    return store, held, values


def shard_of(folder: Path, key: str) -> Path:
    packed = torch.frombuffer(bytearray(bytes.fromhex(key)), dtype=torch.uint8)
    return next(p for p in folder.glob("*.safetensors") if (load_file(p)["keys"] == packed).all(1).any())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.uint8])
@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), ()])
def test_rows_come_back_bit_for_bit_in_any_order(tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    rows = torch.randint(0, 255, (6, *shape), dtype=torch.uint8).to(dtype)
    store, held = RowStore(tmp_path / "tower"), keys(*range(6))
    assert store.read(held) == {}
    store.add(held[:4], rows[:4])
    store.add(held[4:], rows[4:])
    found = store.read([held[5], held[0], *keys("unknown"), held[5], held[3], ""])
    assert set(found) == {held[5], held[0], held[3]}
    for number in (5, 0, 3):
        assert found[held[number]].dtype == dtype
        assert torch.equal(found[held[number]], rows[number])


def test_values_that_are_no_numbers_survive(tmp_path: Path) -> None:
    store, rows = RowStore(tmp_path), torch.tensor([[float("nan"), -0.0], [float("inf"), 1e-45]])
    store.add(keys("a", "b"), rows)
    found = torch.stack([store.read(keys("a", "b"))[key] for key in keys("a", "b")])
    assert found.view(torch.int32).equal(rows.view(torch.int32))


def test_shards_that_hold_nothing_asked_for_are_not_opened(tmp_path: Path) -> None:
    store, held, values = filled(tmp_path)
    other = shard_of(tmp_path, held[-1])
    other.write_bytes(b"no shard any more")  # whoever opens it deletes it
    assert torch.equal(store.read(held[:1])[held[0]], values[0])
    assert other.exists()
    assert set(store.read(held)) == set(held[:8])
    assert not other.exists()
    assert set(store.read(held)) == set(held[:8])


@pytest.mark.parametrize("damage", ["missing", "noise", "empty", "cut", "behind", "other"])
def test_a_lost_or_damaged_index_is_found_again(tmp_path: Path, damage: str) -> None:
    store, held, values = filled(tmp_path)
    index = tmp_path / INDEX
    content = index.read_bytes()
    if damage == "missing":
        index.unlink()
    elif damage == "behind":
        with sqlite3.connect(index) as connection:
            connection.execute("DELETE FROM shards WHERE number = 2")
            connection.execute("DELETE FROM rows WHERE shard = 2")
    else:
        index.write_bytes({"noise": b"x" * 5000, "empty": b"", "cut": content[:5000], "other": content[:16]}[damage])
    found = store.read(held)
    assert torch.equal(torch.stack([found[key] for key in held]), values)
    assert set(RowStore(tmp_path).read(held)) == set(held)


def test_shards_that_came_or_went_are_noticed(tmp_path: Path) -> None:
    store, held, values = filled(tmp_path / "one")
    other = RowStore(tmp_path / "two")
    other.add(keys("x"), torch.full((1, 5), 7.0))
    for shard in (tmp_path / "two").glob("*.safetensors"):
        shard.rename(tmp_path / "one" / shard.name)
    shard_of(tmp_path / "one", held[0]).unlink()
    found = store.read([*held, *keys("x")])
    assert set(found) == {*held[4:], *keys("x")}
    assert torch.equal(found[held[4]], values[4])
    assert found[keys("x")[0]].tolist() == [7.0] * 5


@pytest.mark.parametrize("change", ["row = 3 - row", "row = row + 1", "row = row + 100"])
def test_an_index_that_lies_gives_no_wrong_rows(tmp_path: Path, change: str) -> None:
    store, held, values = filled(tmp_path, shards=1)
    with sqlite3.connect(tmp_path / INDEX) as connection:
        connection.execute(f"UPDATE rows SET {change}")
    assert store.read(held) == {}
    store.add(held, values)
    assert torch.equal(store.read(held)[held[2]], values[2])


def test_without_an_index_all_shards_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, held, values = filled(tmp_path)
    (tmp_path / INDEX).unlink()
    (tmp_path / INDEX).mkdir()
    found = RowStore(tmp_path).read(held)
    assert torch.equal(torch.stack([found[key] for key in held]), values)
    assert "this index cannot be kept" in caplog.text
    RowStore(tmp_path).add(keys("new"), torch.ones(1, 5))
    assert set(RowStore(tmp_path).read([*held, *keys("new")])) == {*held, *keys("new")}


def test_a_shard_of_another_version_is_deleted(tmp_path: Path) -> None:
    store, held, _ = filled(tmp_path, shards=1)
    save_file({"features": torch.zeros(2, 3)}, next(tmp_path.glob("*.safetensors")))
    assert store.read(held) == {}
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize("damage", ["flipped", "swapped", "other dtype", "no digests"])
def test_a_row_that_is_not_what_was_written_is_not_there(tmp_path: Path, damage: str) -> None:
    store, held, values = filled(tmp_path, shards=1)
    (shard,) = tmp_path.glob("*.safetensors")
    tensors = {name: value.clone() for name, value in load_file(shard).items()}
    if damage == "flipped":
        tensors["rows"][2, 1] += 1e-6
    elif damage == "swapped":
        tensors["rows"] = tensors["rows"].flip(0)
    elif damage == "other dtype":
        tensors["rows"] = tensors["rows"].view(torch.int32)
    else:
        del tensors["digests"]
    save_file(tensors, shard)
    assert store.read(held) == {}
    store.add(held, values)
    assert torch.equal(store.read(held)[held[2]], values[2])


def _written(seen: Path, me: int, folder: Path) -> dict[str, Any]:
    """Rows of one process among others, some of them the same rows, which it writes and reads."""
    store = RowStore(folder)
    for n in range(12):
        mine = keys(*(f"{me if n % 2 else 0}-{n}-{k}" for k in range(3)))
        store.add(mine, torch.full((3, 2), float(n)))
        assert len(store.read(mine)) == 3
    return {"wrote": n + 1}


def test_processes_write_and_read_at_once(tmp_path: Path) -> None:
    store = tmp_path / "store"
    writers = [Child(_written, me, store, seen=tmp_path / str(me)) for me in range(3)]
    assert [writer.wait().answer for writer in writers] == [{"wrote": 12}] * 3
    names = {(me if n % 2 else 0, n, k): float(n) for me in range(3) for n in range(12) for k in range(3)}
    found = RowStore(store).read(keys(*(f"{me}-{n}-{k}" for me, n, k in names)))
    assert [found[key][0].item() for key in keys(*(f"{me}-{n}-{k}" for me, n, k in names))] == list(names.values())
