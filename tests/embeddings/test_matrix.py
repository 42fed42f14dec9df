"""Reading one modality's embeddings: every format, every way to go wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from closegap.embeddings import ArrayFile, load_array, unit_rows
from closegap.errors import DataError, UsageError

ROWS = np.random.default_rng(0).normal(size=(7, 3))


def write_npy(path: Path, rows: np.ndarray) -> ArrayFile:
    np.save(path / "image.npy", rows)
    return ArrayFile(path / "image.npy")


def write_npz(path: Path, rows: np.ndarray) -> ArrayFile:
    np.savez(path / "both.npz", image=rows, caption=rows + 1)
    return ArrayFile(path / "both.npz", "image")


def write_npz_alone(path: Path, rows: np.ndarray) -> ArrayFile:
    np.savez_compressed(path / "alone.npz", image=rows)
    return ArrayFile(path / "alone.npz")


def write_safetensors(path: Path, rows: np.ndarray) -> ArrayFile:
    save_file({"image": torch.from_numpy(rows), "caption": torch.from_numpy(rows + 1)}, path / "both.safetensors")
    return ArrayFile(path / "both.safetensors", "image")


def write_parquet(path: Path, rows: np.ndarray) -> ArrayFile:
    flat = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
    pq.write_table(pa.table({"id": [str(row) for row in range(len(rows))], "image": flat}), path / "a.parquet")
    return ArrayFile(path / "a.parquet")


def write_parquet_lists(path: Path, rows: np.ndarray) -> ArrayFile:
    table = pa.table({"image": list(rows), "caption": list(rows + 1)})
    pq.write_table(table, path / "b.parquet", row_group_size=2)
    return ArrayFile(path / "b.parquet", "image")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "write", [write_npy, write_npz, write_npz_alone, write_safetensors, write_parquet, write_parquet_lists]
)
def test_every_format_gives_what_was_written(
    write: Callable[[Path, np.ndarray], ArrayFile], dtype: type[np.floating[Any]], tmp_path: Path
) -> None:
    rows = ROWS.astype(dtype)
    result = load_array(write(tmp_path, rows))
    assert result.dtype == torch.from_numpy(rows).dtype
    assert torch.equal(result, torch.from_numpy(rows))


@pytest.mark.parametrize("order", ["<f4", ">f4", ">f8"])
def test_byte_and_memory_order_do_not_matter(order: str, tmp_path: Path) -> None:
    source = write_npy(tmp_path, np.asfortranarray(ROWS.astype(order)))
    torch.testing.assert_close(
        load_array(source).double(), torch.from_numpy(ROWS.astype("f4")).double(), rtol=1e-6, atol=0
    )


def test_bfloat16_is_read(tmp_path: Path) -> None:
    rows = torch.from_numpy(ROWS).bfloat16()
    save_file({"image": rows}, tmp_path / "image.safetensors")
    source = ArrayFile(tmp_path / "image.safetensors")
    assert torch.equal(load_array(source), rows)
    result, _ = unit_rows(load_array(source), source.path)
    torch.testing.assert_close(result, torch.nn.functional.normalize(rows.float(), dim=1))


def test_unit_float32_rows_are_mapped_and_never_copied(tmp_path: Path) -> None:
    unit = (ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)).astype("f4")
    source = write_npy(tmp_path, unit)
    rows = load_array(source)
    result, note = unit_rows(rows, source.path)
    assert note is None
    assert result.data_ptr() == rows.data_ptr()
    rows.zero_()
    assert np.array_equal(np.load(source.path), unit), "writing to the tensor reached the file"


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_other_rows_are_normalised_with_a_note(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("closegap.embeddings.matrix._BLOCK", 2)
    rows = torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 0.5]], dtype=dtype)
    result, note = unit_rows(rows, "image.npy")
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.0, 1.0]]))
    assert note == "image.npy: 2 of 3 rows were not unit-norm (norms 0.5 to 5) and were normalised"


def test_half_precision_rounding_is_mended_without_a_note() -> None:
    unit = torch.nn.functional.normalize(torch.randn(50, 512, generator=torch.manual_seed(0)), dim=1)
    result, note = unit_rows(unit.half(), "image.npy")
    assert note is None
    torch.testing.assert_close(result.norm(dim=1), torch.ones(50), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), r"row 3 holds NaN \(2 such rows: 3, 5\)"),
        (float("inf"), r"row 3 has an infinite norm \(2 such rows: 3, 5\)"),
        (0.0, r"row 3 is zero \(2 such rows: 3, 5\)"),
    ],
)
def test_rows_without_a_direction_are_refused(value: float, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("closegap.embeddings.matrix._BLOCK", 2)
    rows = torch.ones(6, 4)
    rows[3], rows[5] = value, value
    with pytest.raises(DataError, match=rf"^image\.npy: {message}; leave it out of every array"):
        unit_rows(rows, "image.npy")


def test_one_bad_row_is_named_alone() -> None:
    rows = torch.ones(6, 4)
    rows[5, 1] = torch.nan
    with pytest.raises(DataError, match=r"row 5 holds NaN; leave it out"):
        unit_rows(rows, "image.npy")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.ones(5), r"shape \(5,\); expected two dimensions"),
        (np.ones((5, 2, 2)), r"shape \(5, 2, 2\); expected two dimensions"),
        (np.float64(1), r"shape \(\); expected two dimensions"),
        (np.ones((0, 4)), r"empty, shape \(0, 4\)"),
        (np.ones((4, 0)), r"empty, shape \(4, 0\)"),
        (np.ones((4, 2), dtype=np.int64), "dtype int64; expected float16, float32 or float64"),
        (np.ones((4, 2), dtype=bool), "dtype bool; expected"),
        (np.ones((4, 2), dtype=np.complex64), "dtype complex64; expected"),
        (np.array([["a", "b"]]), "dtype <U1; expected"),
    ],
)
@pytest.mark.parametrize("write", [write_npy, write_npz_alone])
def test_other_shapes_and_dtypes_are_refused(
    write: Callable[[Path, np.ndarray], ArrayFile], rows: np.ndarray, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        load_array(write(tmp_path, rows))


def test_integers_in_other_formats_are_refused(tmp_path: Path) -> None:
    save_file({"image": torch.ones(3, 2, dtype=torch.int32)}, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match=r"dtype I32; expected float16"):
        load_array(ArrayFile(tmp_path / "a.safetensors"))
    pq.write_table(pa.table({"image": [[1, 2], [3, 4]], "id": ["a", "b"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="holds no column of float lists that could be used"):
        load_array(ArrayFile(tmp_path / "a.parquet"))


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    objects = np.array([[1.0, None]], dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", image=objects)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match=rf"{name}: cannot be read as .*[Oo]bject.*without Python objects"):
            load_array(ArrayFile(tmp_path / name))


@pytest.mark.parametrize(
    "write", [write_npy, write_npz, write_npz_alone, write_safetensors, write_parquet, write_parquet_lists]
)
@pytest.mark.parametrize("damage", ["truncated", "overwritten", "emptied"])
def test_damaged_files_are_one_clear_line(
    write: Callable[[Path, np.ndarray], ArrayFile], damage: str, tmp_path: Path
) -> None:
    source = write(tmp_path, ROWS)
    whole = source.path.read_bytes()
    kept = {"truncated": whole[: 2 * len(whole) // 3], "overwritten": b"not an array " * 40, "emptied": b""}[damage]
    source.path.write_bytes(kept)
    with pytest.raises(DataError, match=f"{source.path.name}: cannot be read as a {source.path.suffix} file") as caught:
        load_array(source)
    assert "\n" not in str(caught.value)
    assert "allow_pickle" not in str(caught.value)


def test_keys_are_listed_where_the_choice_is_open(tmp_path: Path) -> None:
    for write in (write_npz, write_safetensors, write_parquet_lists):
        path = write(tmp_path, ROWS).path
        with pytest.raises(
            UsageError, match=rf"{path.name}: holds 2 .* \((caption, image|image, caption)\); choose one"
        ):
            load_array(ArrayFile(path))
        with pytest.raises(UsageError, match=r"holds no .* 'text'; it holds (caption, image|image, caption)"):
            load_array(ArrayFile(path, "text"))
    with pytest.raises(UsageError, match=r"key 'image' was given, but a \.npy file has no keys"):
        load_array(ArrayFile(write_npy(tmp_path, ROWS).path, "image"))


def test_missing_files_folders_and_unknown_kinds(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.npy: no such file"):
        load_array(ArrayFile(tmp_path / "a.npy"))
    (tmp_path / "a.npy").mkdir()
    with pytest.raises(DataError, match=r"a\.npy: is a folder"):
        load_array(ArrayFile(tmp_path / "a.npy"))
    with pytest.raises(
        UsageError, match=r"unknown kind of file '\.pt'; expected \.npy, \.npz, \.safetensors, \.parquet"
    ):
        load_array(ArrayFile(tmp_path / "a.pt"))


def test_parquet_lists_of_other_lengths_name_the_row(tmp_path: Path) -> None:
    source = ArrayFile(tmp_path / "a.parquet")
    for lists, message in [
        ([[1.0, 2.0], [1.0, 2.0], [1.0]], "row 2 of column 'image' has 1 values, expected 2"),
        ([[1.0, 2.0], None], "row 1 of column 'image' has no list, expected 2"),
        ([None, [1.0, 2.0]], "row 0 of column 'image' has no list, expected 2"),
    ]:
        pq.write_table(pa.table({"image": lists}), source.path)
        with pytest.raises(DataError, match=message):
            load_array(source)
    pq.write_table(pa.table({"image": pa.array([], pa.list_(pa.float32()))}), source.path)
    with pytest.raises(DataError, match="empty"):
        load_array(source)
    pq.write_table(pa.table({"image": [[1.0, None], [1.0, 2.0]]}), source.path)
    with pytest.raises(DataError, match="row 0 holds NaN"):
        unit_rows(load_array(source), source.path)


@pytest.mark.parametrize(
    ("text", "path", "key"),
    [("a.npy", "a.npy", None), ("a.npz:x", "a.npz", "x"), ("dir/a.csv:b c", "dir/a.csv", "b c"), ("C:a", "C:a", None)],
)
def test_sources_are_written_with_a_colon(text: str, path: str, key: str | None) -> None:
    assert ArrayFile.parse(text) == ArrayFile(Path(path), key)
    assert ArrayFile.parse(text).name == (key or Path(path).stem)


def test_a_file_whose_name_holds_a_colon_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.npz:x"
    path.touch()
    assert ArrayFile.parse(str(path)) == ArrayFile(path)
