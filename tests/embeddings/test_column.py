"""Reading ids, groups, labels and concepts."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from closegap.embeddings import ArrayFile, read_column, read_concepts
from closegap.errors import DataError, UsageError


def written(path: Path, content: str | bytes) -> ArrayFile:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return ArrayFile(path)


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("a\nb\n", ["a", "b"]),
        ("a\nb", ["a", "b"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\n\nb\n\n", ["a", "", "b", ""]),
        ("\ufeffa\n", ["a"]),
        ("x y\u2028z\x0b\n", ["x y\u2028z\x0b"]),
        ("", []),
    ],
)
def test_text_is_one_value_per_line(content: str, values: list[str], tmp_path: Path) -> None:
    assert read_column(written(tmp_path / "labels.txt", content)) == values


def test_csv_columns_are_chosen_or_alone(tmp_path: Path) -> None:
    source = written(tmp_path / "labels.csv", 'id,organ\n1,"lung, left"\n2,\n')
    assert read_column(ArrayFile(source.path, "organ")) == ["lung, left", ""]
    assert read_column(written(tmp_path / "one.csv", "organ\nlung\n\nheart\n")) == ["lung", "", "heart"]
    with pytest.raises(UsageError, match=r"holds 2 columns \(id, organ\); choose one"):
        read_column(source)
    with pytest.raises(UsageError, match="holds no column 'side'; it holds id, organ"):
        read_column(ArrayFile(source.path, "side"))


def test_csv_lines_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    cases: list[tuple[str | bytes, str]] = [
        ("id,organ\n1,lung\n2\n", r"labels\.csv, line 3: 1 fields, expected 2 as in the header"),
        ("id,organ\n1,lung\n\n", r"labels\.csv, line 3: blank, expected 2 fields as in the header"),
        ('organ\nskin\n"lung\n', r"labels\.csv, line 3: a quote that is never closed"),
        ("", "holds no column"),
        (b"organ\n\xff\n", r"labels\.csv, line 2: a byte that is not UTF-8; save the file as UTF-8"),
    ]
    for content, message in cases:
        with pytest.raises(DataError, match=message):
            read_column(ArrayFile(written(path, content).path, "organ"))


def test_arrays_of_strings_and_integers(tmp_path: Path) -> None:
    source = ArrayFile(tmp_path / "labels.npy")
    for array, values in [
        (np.array(["a", "bc"]), ["a", "bc"]),
        (np.array([b"a", b"bc"]), ["a", "bc"]),
        (np.array([3, -1], dtype=np.int16), ["3", "-1"]),
    ]:
        np.save(source.path, array)
        assert read_column(source) == values
    for array in (np.array([1.0, 2.0]), np.array([["a"]])):
        np.save(source.path, array)
        with pytest.raises(DataError, match="expected one dimension of strings or integers"):
            read_column(source)
    np.save(source.path, np.array(["a", None], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="without Python objects"):
        read_column(source)


def test_parquet_columns(tmp_path: Path) -> None:
    source = ArrayFile(tmp_path / "rows.parquet", "organ")
    pq.write_table(pa.table({"organ": ["lung", None], "age": [1.5, 2.5], "year": [2001, 2002]}), source.path)
    assert read_column(source) == ["lung", ""]
    assert read_column(ArrayFile(source.path, "year")) == ["2001", "2002"]
    with pytest.raises(DataError, match=r"row 0 holds 1\.5; expected text or an integer"):
        read_column(ArrayFile(source.path, "age"))


def test_concepts_are_separated_by_semicolons_or_spaces(tmp_path: Path) -> None:
    expected = [("C1", "C2"), (), ("C3",), ("C4", "C5")]
    assert read_concepts(written(tmp_path / "cuis.txt", "C1;C2\n\nC3;\nC4  C5\n")) == expected
    assert read_concepts(written(tmp_path / "cuis.csv", "cui\nC1; C2\n\nC3\nC4 C5\n")) == expected
    pq.write_table(pa.table({"cui": [["C1", "C2"], None, ["C3"], ["C4", "C5"]]}), tmp_path / "cuis.parquet")
    assert read_concepts(ArrayFile(tmp_path / "cuis.parquet")) == expected


def test_missing_files_and_unknown_kinds(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.txt: no such file"):
        read_column(ArrayFile(tmp_path / "labels.txt"))
    with pytest.raises(UsageError, match=r"unknown kind of file '\.json'; expected \.txt, \.csv, \.npy, \.parquet"):
        read_column(ArrayFile(tmp_path / "labels.json"))
    with pytest.raises(UsageError, match=r"a \.txt file has no keys"):
        read_column(ArrayFile(written(tmp_path / "labels.txt", "a\n").path, "organ"))
