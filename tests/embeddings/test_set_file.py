"""The two files of a set are one thing, and nothing is loaded that is not what was written."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import normalize

from closegap.embeddings import EmbeddingSet
from closegap.embeddings.set_file import KEY
from closegap.errors import DataError, UsageError
from closegap.files import file_digest
from closegap.sealed import read_says, save_sealed

N = 12


def example(seed: int = 0) -> EmbeddingSet:
    draw = torch.Generator().manual_seed(seed)
    rows = {name: normalize(torch.randn(N, 4, generator=draw), dim=1) for name in ("image", "text")}
    present = torch.arange(N) % 5 != seed
    rows["image"][~present] = torch.nan  # absent rows are never read
    return EmbeddingSet(
        rows,
        [f"{seed}-{row}" for row in range(N)],
        {"image": present},
        groups=[f"g{row // 2}" for row in range(N)],
        labels={"organ": ["lung", "heart"] * (N // 2)},
        concepts=[("C1", f"C{row}") for row in range(N)],
        meta={"arm": "x", "seed": seed},
    )


def assert_is(found: EmbeddingSet, expected: EmbeddingSet) -> None:
    for what in ("ids", "groups", "labels", "concepts", "meta"):
        assert getattr(found, what) == getattr(expected, what)
    for name in expected.modalities:
        assert torch.equal(found.mask(name), expected.mask(name))
        assert torch.equal(found.embeddings[name].view(torch.int32), expected.embeddings[name].view(torch.int32))


def test_a_set_comes_back_and_is_written_alike(tmp_path: Path) -> None:
    for name in ("a", "b"):
        example().save(tmp_path / f"{name}.safetensors")
    assert_is(EmbeddingSet.load(tmp_path / "a.safetensors"), example())
    for suffix in (".safetensors", ".parquet"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    with pytest.raises(UsageError, match=r"a\.npz: expected a file that ends in \.safetensors"):
        example().save(tmp_path / "a.npz")


@pytest.mark.parametrize("suffix", [".safetensors", ".parquet"])
def test_no_flipped_bit_is_loaded(tmp_path: Path, suffix: str) -> None:
    example().save(tmp_path / "set.safetensors")
    file = tmp_path / f"set{suffix}"
    whole = file.read_bytes()
    for place in range(0, len(whole), 11):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(DataError) as caught:
            EmbeddingSet.load(tmp_path / "set.safetensors")
        assert "\n" not in str(caught.value)
    for length in (0, 5, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(DataError):
            EmbeddingSet.load(tmp_path / "set.safetensors")


def test_a_table_of_another_set_is_refused(tmp_path: Path) -> None:
    for seed in (0, 1):
        example(seed).save(tmp_path / f"{seed}.safetensors")
    shutil.copy(tmp_path / "1.parquet", tmp_path / "0.parquet")
    with pytest.raises(DataError, match=r"0\.parquet: not the table of 0\.safetensors, or damaged; copy both files"):
        EmbeddingSet.load(tmp_path / "0.safetensors")
    (tmp_path / "0.parquet").unlink()
    with pytest.raises(DataError, match=r"0\.parquet: no such file; an embedding set is a \.safetensors file with"):
        EmbeddingSet.load(tmp_path / "0.safetensors")


def test_what_kills_left_is_swept_when_the_set_is_written_again(tmp_path: Path) -> None:
    for name in (".s[1].safetensors", f"..s[1].{'0' * 32}.parquet"):
        (tmp_path / f"{name}.abcdefgh.unfinished").mkdir()
    example().save(tmp_path / "s[1].safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s[1].parquet", "s[1].safetensors"]


class Killed(BaseException):
    """The process is gone."""


@contextmanager
def killed_at(moment: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Everything fails from the given change of names on, cleaning up included, as after a kill."""
    count = [0]
    with monkeypatch.context() as patched:
        for name in ("replace", "rename", "unlink", "mkdir", "fsync", "chmod"):
            patched.setattr(os, name, _dying(getattr(os, name), count, moment))
        yield count


def _dying(call: Callable[..., Any], count: list[int], moment: int) -> Callable[..., Any]:
    def wrapped(*args: Any, **options: Any) -> Any:
        count[0] += 1
        if count[0] >= moment:
            raise Killed
        return call(*args, **options)

    return wrapped


def test_a_kill_at_any_moment_leaves_the_older_set_or_the_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, moment, path = list[str](), 0, tmp_path / "set.safetensors"
    while seen[-1:] != ["undisturbed"]:
        moment += 1
        example(0).save(path)
        try:
            with killed_at(moment, monkeypatch):
                example(1).save(path)
            seen.append("undisturbed")
        except Killed:
            seen.append(str(EmbeddingSet.load(path).meta["seed"]))
        found = EmbeddingSet.load(path)
        assert_is(found, example(int(found.meta["seed"])))
        if moment % 2:  # whoever comes next may be killed as well
            with pytest.raises(Killed), killed_at(2, monkeypatch):
                example(2).save(path)
            assert_is(EmbeddingSet.load(path), found)
        example(3).save(path)
        assert_is(EmbeddingSet.load(path), example(3))
        assert not list(tmp_path.glob(".set.*[0-9a-f].parquet"))
    assert set(seen) == {"0", "1", "undisturbed"}


Says = dict[str, Any]
Change = Callable[[dict[str, Tensor], Says], object]
IMAGE = "embeddings/image"
FORGED: list[tuple[Change, str]] = [
    (lambda tensors, says: says.update(format=1), "not an embedding set of this version"),
    (lambda tensors, says: says.pop("modalities"), "no list of modalities"),
    (lambda tensors, says: says.update(modalities=[]), "expected one name or more"),
    (lambda tensors, says: says.update(modalities=["image", "x"]), "unknown tensor|no tensor"),
    (lambda tensors, says: says.update(modalities=["image", "image"]), "each once"),
    (lambda tensors, says: says.update(modalities=[1, 2]), "expected one name or more"),
    (lambda tensors, says: says.update(modalities={"image": 1}), "no list of modalities"),
    (lambda tensors, says: says.update(meta=[]), "no meta"),
    (lambda tensors, says: says.update(meta=None), "no meta"),
    (lambda tensors, says: says.update(meta={"notes": 5}), "'notes' of its meta is no list of texts"),
    (lambda tensors, says: says.update(meta={"notes": [None]}), "'notes' of its meta is no list of texts"),
    (lambda tensors, says: says.update(meta={"posthoc": ["shift"]}), "'posthoc' of its meta is no list of methods"),
    (lambda tensors, says: says.update(table="../../x"), "not the table"),
    (lambda tensors, says: says.update(table=None), "not the table"),
    (lambda tensors, says: tensors.pop(IMAGE), "no tensor 'embeddings/image'"),
    (lambda tensors, says: tensors.update({"x": torch.ones(2)}), "an unknown tensor 'x'"),
    (lambda tensors, says: tensors.update({IMAGE: tensors[IMAGE][:, 0]}), r"\(12,\), expected floats of \(12, width\)"),
    (lambda tensors, says: tensors.update({IMAGE: tensors[IMAGE][:, :, None]}), r"\(12, 4, 1\), expected floats"),
    (lambda tensors, says: tensors.update({IMAGE: tensors[IMAGE].long()}), r"torch\.int64 \(12, 4\), expected floats"),
    (lambda tensors, says: tensors.update({IMAGE: tensors[IMAGE].double()}), "of one type in all"),
    (lambda tensors, says: tensors.update({IMAGE: tensors[IMAGE].repeat(2, 1)}), r"\(24, 4\), expected floats"),
    (lambda tensors, says: tensors.update({IMAGE: tensors[IMAGE][:, :0]}), r"\(12, 0\), expected floats"),
    (lambda tensors, says: tensors[IMAGE][3].fill_(torch.inf), r"image of row 3 \(id '0-3'\) is not finite"),
    (lambda tensors, says: tensors.update({"present/image": torch.ones(N)}), r"float32 \(12,\), expected torch\.bool"),
    (lambda tensors, says: tensors.update({"present/image": torch.ones(N, 1).bool()}), r"\(12, 1\), expected torch"),
    (lambda tensors, says: tensors.update({"present/zzz": torch.ones(N).bool()}), "unknown tensor 'present/zzz'"),
]


@pytest.mark.parametrize(("change", "message"), FORGED)
def test_what_another_program_sealed_is_checked(tmp_path: Path, change: Change, message: str) -> None:
    path = tmp_path / "set.safetensors"
    example().save(path)
    tensors, says = {name: value.clone() for name, value in load_file(path).items()}, read_says(path, KEY, "")
    change(tensors, says)
    save_sealed(path, tensors, KEY, says)
    with pytest.raises(DataError, match=message) as caught:
        EmbeddingSet.load(path)
    assert "\n" not in str(caught.value)


COLUMNS: list[tuple[Mapping[str, Sequence[Any]] | None, str]] = [
    (None, "no column 'id'"),
    ({"id": list(range(N))}, "row 0 of column 'id' is int, expected a text"),
    ({"id": ["a", None] * 6}, "row 1 of column 'id' is NoneType"),
    ({"id": [{"a": 1}] * N}, "row 0 of column 'id' is dict"),
    ({"group": [None] * N}, "row 0 of column 'group' is NoneType"),
    ({"label:organ": [1] * N}, "row 0 of column 'label:organ' is int"),
    ({"label:organ": [["x"]] * N}, "row 0 of column 'label:organ' is list"),
    ({"concepts": ["C1;C2"] * N}, "row 0 of column 'concepts' is str, expected a list of texts"),
    ({"concepts": [None] * N}, "row 0 of column 'concepts' is NoneType"),
    ({"id": [], "group": [], "label:organ": [], "concepts": []}, "has no rows"),
]


@pytest.mark.parametrize(("columns", "message"), COLUMNS)
def test_a_table_of_another_program_is_checked(
    tmp_path: Path, columns: Mapping[str, Sequence[Any]] | None, message: str
) -> None:
    path, table = tmp_path / "set.safetensors", tmp_path / "set.parquet"
    example().save(path)
    given = pq.read_table(table).to_pydict()
    pq.write_table(pa.table({"x": [1]} if columns is None else given | dict(columns)), table)
    tensors, says = load_file(path), read_says(path, KEY, "")
    save_sealed(
        path, {name: value.clone() for name, value in tensors.items()}, KEY, {**says, "table": file_digest(table)}
    )
    with pytest.raises(DataError, match=message) as caught:
        EmbeddingSet.load(path)
    assert "\n" not in str(caught.value)


def test_rows_that_are_no_numbers_are_not_written(tmp_path: Path) -> None:
    found = example()
    found.embeddings["text"][7, 1] = torch.nan
    with pytest.raises(DataError, match=r"text of row 7 \(id '0-7'\) is not finite"):
        found.save(tmp_path / "set.safetensors")
    assert not list(tmp_path.iterdir())
