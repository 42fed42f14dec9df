"""Tables of any format, with any columns."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jsonargparse import auto_cli

from closegap.data import BrokenRow, Case, Checks, Columns, Manifest, Source, load_cases
from closegap.data.readers.patients import Held
from closegap.errors import DataError, UsageError
from closegap.kinds import CodesKind
from closegap.testing import check_source

HEADER = "id,split,patient,image,other,report,cuis,age,sex,finding\n"
MODALITIES = {
    "image": Columns("image", ["image", "other"]),
    "report": Columns("text", ["report"]),
    "concepts": Columns("codes", ["cuis"]),
    "record": Columns("record", numbers=["age"], categories=["sex"]),
}


def manifest(path: Path, **options: Any) -> Manifest:
    return Manifest(path, **{"modalities": MODALITIES, "group": "patient", "labels": ["finding"], **options})


def table(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "cases.csv"
    path.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def broken(source: Source) -> list[tuple[str, str]]:
    return [(row.reason, row.where) for row in source.rows() if isinstance(row, BrokenRow)]


def test_a_full_row_and_an_empty_one(tmp_path: Path) -> None:
    path = table(tmp_path, "a,train,p1,im/a.png,/b.png, Clear lungs ,C1; C2;C1,64,F,none", "b,val,p2,,,,,,,")
    assert list(manifest(path).rows()) == [
        Case(
            id="a",
            split="train",
            group="p1",
            views={
                "image": (tmp_path / "im/a.png", Path("/b.png")),
                "report": ("Clear lungs",),
                "concepts": (("C1", "C2"),),
                "record": ({"age": 64.0, "sex": "F"},),
            },
            labels={"finding": "none"},
            concepts=("C1", "C2"),
        ),
        Case(id="b", split="validation", group="p2", views={}, labels={"finding": ""}),
    ]


def test_a_record_with_one_blank(tmp_path: Path) -> None:
    row = next(manifest(table(tmp_path, "a,test,p,,,,,,M,")).rows())
    assert isinstance(row, Case)
    assert row.views == {"record": ({"age": None, "sex": "M"},)}


ROWS: Sequence[Mapping[str, Any]] = [
    {"id": "a", "split": "train", "p": 1, "image": ["a.png", "b.png"], "report": "one", "cuis": ["C1", "C2"], "age": 3},
    {"id": "b", "split": "test", "p": 2, "image": [], "report": None, "cuis": None, "age": None},
]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_lists_are_views_and_sets(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cases.{suffix}"
    if suffix == "jsonl":
        path.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    else:
        pq.write_table(pa.Table.from_pylist(list(ROWS)), path)
    modalities = {
        "image": Columns("image", ["image"]),
        "report": Columns("text", ["report"]),
        "concepts": Columns("codes", ["cuis"]),
        "record": Columns("record", numbers=["age"]),
    }
    first, second = Manifest(path, modalities, group="p").rows()
    assert first == Case(
        id="a",
        split="train",
        group="1",
        views={
            "image": (tmp_path / "a.png", tmp_path / "b.png"),
            "report": ("one",),
            "concepts": (("C1", "C2"),),
            "record": ({"age": 3.0},),
        },
        concepts=("C1", "C2"),
    )
    assert second == Case(id="b", split="test", group="2", views={})


def test_tabs_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "cases.tsv"
    path.write_text("id\tsplit\ttext\na\ttrain\tone, two\n", encoding="utf-8-sig")
    (row,) = Manifest(path, {"text": Columns("text", ["text"])}).rows()
    assert isinstance(row, Case)
    assert row.views == {"text": ("one, two",)}


def test_a_report_longer_than_the_csv_modules_limit(tmp_path: Path) -> None:
    row = next(manifest(table(tmp_path, f"a,train,p,,,{'word ' * 40_000},,,,")).rows())
    assert isinstance(row, Case)
    assert len(row.views["report"][0]) == 5 * 40_000 - 1


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "-Infinity", "old", "1,5"])
def test_what_is_no_number(tmp_path: Path, value: str) -> None:
    path = table(tmp_path, f'a,train,p,,,x,,"{value}",F,')
    rows = list(manifest(path).rows())
    assert rows == [
        BrokenRow(
            "not a number",
            f"{path}, line 2",
            f"column 'age': expected a finite number, found '{value}'; leave unknown cells blank",
        )
    ]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_nan_is_no_number_and_no_text_in_typed_tables(tmp_path: Path, suffix: str) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "split": "train", "age": float("nan"), "text": 1.0},
        {"id": "b", "split": "train", "age": 1.0, "text": float("nan")},
    ]
    path = tmp_path / f"cases.{suffix}"
    if suffix == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    modalities = {"record": Columns("record", numbers=["age"]), "text": Columns("text", ["text"])}
    first, second = Manifest(path, modalities).rows()
    assert isinstance(first, BrokenRow)
    assert first.reason == "not a number"
    assert isinstance(second, Case)
    assert second.views == {"record": ({"age": 1.0},)}


def test_other_blanks(tmp_path: Path) -> None:
    path = table(tmp_path, "a,train,p,,,?,?,?,n/a,?")
    assert broken(manifest(path)) == [("not a number", f"{path}, line 2")]
    (row,) = manifest(path, blanks=["?", "n/a"]).rows()
    assert isinstance(row, Case)
    assert row.views == {}
    assert row.labels == {"finding": ""}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (" ,train,p,,,x,,,,", "no id"),
        ("a,,p,,,x,,,,", "unknown split"),
        ("a,holdout,p,,,x,,,,", "unknown split"),
        ("a,train,,,,x,,,,", "no group"),
        ("a,train,p,,,x,,,", "wrong number of fields"),
        ("a,train,p,,,one, two,,,,", "wrong number of fields"),
    ],
)
def test_broken_rows(tmp_path: Path, row: str, reason: str) -> None:
    path = table(tmp_path, '0,train,p,,,"two\nlines",,,,', row, "9,train,p,,,x,,,,")
    assert broken(manifest(path)) == [(reason, f"{path}, line 4")]
    assert [case.id for case in manifest(path).rows() if isinstance(case, Case)] == ["0", "9"]


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    path = table(tmp_path)
    path.write_bytes(path.read_bytes() + b"a,train,p,,,caf\xe9,,,,\n")
    assert broken(manifest(path)) == [("not UTF-8", f"{path}, line 2")]
    lines = tmp_path / "cases.jsonl"
    lines.write_bytes(b'{"id": "a", "split": "train", "text": "x"}\n{"id": "caf\xe9"}\n[1]\n{"id": \n')
    source = Manifest(lines, {"text": Columns("text", ["text"])})
    assert broken(source) == [("not JSON", f"{lines}, line {number}") for number in (2, 3, 4)]


def test_one_id_twice(tmp_path: Path) -> None:
    path = table(tmp_path, "a,train,p,a.png,,one,C1,5,F,", "b,train,p,,,x,,,,", "a,train,p,a.png,,two,C2,5,F,flu")
    assert broken(manifest(path)) == [("duplicate id", f"{path}, line 4")]
    first, second = (row for row in manifest(path, views="merge").rows() if isinstance(row, Case))
    assert second.id == "b"
    assert first.views == {
        "image": (tmp_path / "a.png",),
        "report": ("one", "two"),
        "concepts": (("C1",), ("C2",)),
        "record": ({"age": 5.0, "sex": "F"},),
    }
    assert first.concepts == ("C1", "C2")
    assert first.labels == {"finding": "flu"}
    assert (first.where, second.where) == (f"{path}, line 2 and {path}, line 4", f"{path}, line 3")


def test_views_of_one_case_share_split_and_group(tmp_path: Path) -> None:
    path = table(tmp_path, "a,train,p,,,one,,,,", "a,test,p,,,two,,,,", "a,train,q,,,three,,,,")
    assert broken(manifest(path, views="merge")) == [
        ("views disagree", f"{path}, line 3"),
        ("views disagree", f"{path}, line 4"),
    ]


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"id": "figure"}, "id"),
        ({"split": "fold"}, "split"),
        ({"group": "study"}, "group"),
        ({"labels": ["grade"]}, "labels"),
        ({"modalities": {"note": Columns("text", ["note"])}}, "modalities.note"),
    ],
)
def test_columns_that_are_not_there(tmp_path: Path, options: dict[str, Any], option: str) -> None:
    message = rf"cases\.csv: expected a column '\w+', found 'id', .*name it with --data\.{option}(, or hold .*)?$"
    with pytest.raises(DataError, match=message):
        load_cases(manifest(table(tmp_path), **options))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, "no such file; expected a table"),
        ("cases.xlsx", b"PK", "unknown format '.xlsx'"),
        ("cases.parquet", b"PAR1 no", "not a Parquet file, or a damaged one"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_cases(manifest(tmp_path / name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [{"kind": "image"}, {"kind": "record", "columns": ["age"]}, {"kind": "text", "columns": ["a"], "numbers": ["b"]}],
)
def test_columns_that_do_not_go_with_the_kind(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"data.modalities.x: a modality of kind {options['kind']} is described by"):
        Manifest(Path("cases.csv"), {"x": Columns(**options)})


def test_a_caption_named_as_an_image_is_told_with_row_and_modality(tmp_path: Path) -> None:
    path = table(tmp_path, f"a,train,p,,,{'word ' * 80},,,,", "b,train,p,,,short,,,,")
    source = manifest(path, modalities={"picture": Columns("image", ["report"])})
    first, second = source.rows()
    assert isinstance(first, BrokenRow)
    assert (first.reason, first.where) == ("image unreadable", f"{path}, line 2")
    assert first.message.startswith("modality 'picture': expected the path of an image, found 399 characters")
    assert isinstance(second, Case)
    with pytest.raises(DataError, match=r"^cases\.csv, line 2, case 'b': modality 'x': short: no such image"):
        load_cases(manifest(table(tmp_path, "b,train,p,,,short,,,,"), modalities={"x": Columns("image", ["report"])}))


def test_a_kind_of_ones_own(tmp_path: Path) -> None:
    """By import path, and with settings."""
    path = table(tmp_path, "a,train,p,,,x,C1|C2,,,")
    for kind in ("closegap.kinds.CodesKind", CodesKind("|")):
        source = manifest(path, modalities={"cuis": Columns(kind, ["cuis"])})
        (row,) = source.rows()
        assert isinstance(row, Case)
        assert row.views == {"cuis": (("C1|C2",),) if kind == "closegap.kinds.CodesKind" else (("C1", "C2"),)}
        assert isinstance(source.kinds["cuis"], CodesKind)


CONFIG = """
data:
  class_path: closegap.data.Manifest
  init_args:
    path: {path}
    group: patient
    modalities:
      image: {{kind: image, columns: [image, other]}}
      concepts: {{kind: codes, columns: [cuis], separator: "|"}}
      same: {{kind: {{class_path: closegap.kinds.CodesKind, init_args: {{separator: "|"}}}}, columns: [cuis]}}
      record: {{kind: record, numbers: [age], categories: [sex]}}
"""


def built(data: Source) -> Source:
    return data


def test_it_is_built_from_yaml(tmp_path: Path) -> None:
    path = table(tmp_path, "a,train,p,a.png,b.png,text,C1|C2,64,F,none")
    (tmp_path / "config.yaml").write_text(CONFIG.format(path=path))
    (row,) = auto_cli(built, args=[f"--config={tmp_path / 'config.yaml'}"]).rows()
    assert row.views == {
        "image": (tmp_path / "a.png", tmp_path / "b.png"),
        "concepts": (("C1", "C2"),),
        "same": (("C1", "C2"),),
        "record": ({"age": 64.0, "sex": "F"},),
    }


def test_covid_cxr(shared: Path) -> None:
    numbers = ["age", "temperature", "pO2_saturation", "leukocyte_count", "neutrophil_count", "lymphocyte_count"]
    categories = ["sex", "survival", "intubated", "went_icu", "in_icu", "needed_supplemental_O2"]
    modalities = {
        "image": Columns("image", ["image"]),
        "report": Columns("text", ["caption"]),
        "record": Columns("record", numbers=numbers, categories=categories),
    }
    path = shared / "data" / "covid_cxr" / "cases.csv"
    source = Manifest(path, modalities, group="patient_id", labels=["finding", "view"], blanks=["?"])
    found = load_cases(source)
    assert {name: len(held) for name, held in found.splits.items()} == {"train": 279, "validation": 36, "test": 25}
    everything = [case for held in found.splits.values() for case in held]
    # counted by hand in the table: rows with a value in one of these columns, and rows with a "?" among the numbers
    assert sum("record" in case.views for case in everything) == 326
    strict = Manifest(path, modalities, group="patient_id")
    assert load_cases(strict, Checks(on_error="skip")).counts == {"not a number": 4}


def test_a_table_without_splits_is_held_out_by_group(tmp_path: Path) -> None:
    rows = [f"{key},p{key // 2},{60 + key}" for key in range(200)]
    path = table(tmp_path, *rows, header="id,patient,age\n")
    modalities = {"record": Columns("record", numbers=["age"])}
    source = Manifest(path, modalities, group="patient", held=Held(validation=0.2, test=0.3))
    cases = [row for row in source.rows() if isinstance(row, Case)]
    splits = {(case.group, case.split) for case in cases}
    assert (len(cases), len(splits)) == (200, 100)
    shares = {name: sum(split == name for _, split in splits) for name in ("train", "validation", "test")}
    assert all(abs(shares[name] - most) < 15 for name, most in {"train": 50, "validation": 20, "test": 30}.items())
    with pytest.raises(
        DataError, match=r"expected a column 'split'.* or hold shares of the groups out with --data\.held"
    ):
        list(Manifest(path, modalities, group="patient").rows())


def test_it_holds_to_what_every_source_must(tmp_path: Path, picture: Callable[[Path, int], Path]) -> None:
    for number, name in enumerate("abc"):
        picture(tmp_path / f"{name}.png", number)
    rows = "a,train,p1,a.png,b.png,Clear lungs,C1; C2,64,F,none", "b,val,p2,,,,,,,", "c,x,p3,c.png,,,,,,"
    check_source(manifest(table(tmp_path, *rows, "d,test,p3,c.png,,Mass,C3,,M,mass", "d,test,p3,c.png,,,,,,")))


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        ({"age": 10**400}, "not a number", "column 'age': expected a finite number, found 1000"),
        ({"age": [1]}, "not a number", "column 'age': expected a finite number, found [1]"),
        ({"report": {"a": 1}}, "not a text", "column 'report': expected a text or a number, found {'a': 1}; write it"),
        ({"report": [["a"]]}, "not a text", "column 'report': expected a text or a number, found ['a']"),
        ({"id": ["a"]}, "not a text", "column 'id': expected a text or a number, found ['a']"),
        ({"patient": {}}, "not a text", "column 'patient': expected a text or a number, found {}"),
        ({"sex": [1]}, "not a text", "column 'sex': expected a text or a number, found [1]"),
    ],
)
def test_cells_of_json_that_are_neither_texts_nor_numbers(
    change: dict[str, object], reason: str, message: str, tmp_path: Path
) -> None:
    row = {"id": "a", "split": "train", "patient": "p", "report": "x", "age": 3, "sex": "F"} | change
    (tmp_path / "cases.jsonl").write_text(json.dumps(row), encoding="utf-8")
    modalities = {"report": Columns("text", ["report"]), "record": Columns("record", numbers=["age"])}
    source = Manifest(tmp_path / "cases.jsonl", modalities, group="patient", labels=["sex"])
    (broken,) = source.rows()
    assert isinstance(broken, BrokenRow)
    assert broken.reason == reason
    assert broken.message.startswith(message)
    assert len(broken.message) < 200


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text("id,split,report,report\na,train,x,y\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"cases\.csv: column 'report' is there 2 times; rename one"):
        list(Manifest(path, {"report": Columns("text", ["report"])}).rows())
