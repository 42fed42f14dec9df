"""MEDS: data sets written with the schemas of the meds package, read back event by event."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from closegap.data import BrokenRow, Case, Meds
from closegap.errors import DataError, UsageError
from closegap.kinds import Event
from closegap.testing import check_source

meds = pytest.importorskip("meds")

NOON = datetime(2020, 1, 1, 12)
ROWS: list[dict[str, Any]] = [
    {"subject_id": 1, "time": None, "code": "GENDER//F", "numeric_value": None, "text_value": None},
    {"subject_id": 1, "time": datetime(1980, 1, 1), "code": "MEDS_BIRTH", "numeric_value": None, "text_value": None},
    {"subject_id": 1, "time": NOON, "code": "LOINC/718-7", "numeric_value": 9.5, "text_value": None},
    {"subject_id": 1, "time": NOON, "code": "NOTE/x", "numeric_value": None, "text_value": "No effusion."},
    {"subject_id": 1, "time": NOON + timedelta(days=1), "code": "SITE", "numeric_value": None, "text_value": "left"},
    {"subject_id": 2, "time": NOON, "code": "LOINC/718-7", "numeric_value": float("nan"), "text_value": None},
]


def write(root: Path, rows: list[dict[str, Any]] = ROWS, shard: str = "data/train/0.parquet") -> Path:
    path = root / shard
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ["subject_id", "time", "code", "numeric_value", "text_value"]
    table = pa.table({name: [row[name] for row in rows] for name in names}, schema=meds.DataSchema.schema())
    pq.write_table(meds.DataSchema.align(table), path)
    return root


def metadata(root: Path, splits: dict[int, str]) -> None:
    (root / "metadata").mkdir()
    table = pa.table({"subject_id": list(splits), "split": list(splits.values())})
    pq.write_table(meds.SubjectSplitSchema.align(table), root / meds.subject_splits_filepath)
    words = pa.table({"code": ["LOINC/718-7"], "description": ["Hemoglobin"], "parent_codes": [["LOINC/x"]]})
    pq.write_table(meds.CodeMetadataSchema.align(words), root / meds.code_metadata_filepath)


def cases(source: Meds) -> dict[str, Case]:
    return {row.id: row for row in source.rows() if isinstance(row, Case)}


def broken(source: Meds) -> list[BrokenRow]:
    return [row for row in source.rows() if isinstance(row, BrokenRow)]


def test_a_subject_with_all_that_is_known(tmp_path: Path) -> None:
    metadata(write(tmp_path), {1: meds.held_out_split, 2: meds.tuning_split})
    source = Meds(tmp_path, texts={"note": ["NOTE/"]})
    check_source(source)
    found = cases(source)
    day, last = 86_400, NOON + timedelta(days=1)
    assert found["1"].views == {
        "note": ("No effusion.",),
        "events": (
            (
                Event("GENDER//F"),
                Event("MEDS_BIRTH", -(last - datetime(1980, 1, 1)).days * day - day // 2 - 1),
                Event("LOINC/718-7", -day - 1, 9.5, None, "Hemoglobin"),
                Event("SITE", -1, "left"),
            ),
        ),
    }
    assert (found["1"].split, found["2"].split) == ("test", "validation")
    assert found["2"].views == {"events": ((Event("LOINC/718-7", -1, None, None, "Hemoglobin"),),)}


def test_a_case_for_each_moment_of_prediction(tmp_path: Path) -> None:
    write(tmp_path)
    moments = [NOON, NOON + timedelta(microseconds=1), NOON + timedelta(days=1), NOON + timedelta(days=9)]
    table = pa.table({"subject_id": [1] * 4, "prediction_time": pa.array(moments, pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "labels.parquet")
    found = cases(Meds(tmp_path, labels=tmp_path / "labels.parquet"))
    assert [[event.code for event in case.views["events"][0]] for case in found.values()] == [
        ["GENDER//F", "MEDS_BIRTH"],
        ["GENDER//F", "MEDS_BIRTH", "LOINC/718-7", "NOTE/x"],
        ["GENDER//F", "MEDS_BIRTH", "LOINC/718-7", "NOTE/x"],
        ["GENDER//F", "MEDS_BIRTH", "LOINC/718-7", "NOTE/x", "SITE"],
    ]
    assert {case.group for case in found.values()} == {"1"}


def test_units_zones_and_dictionaries(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    zoned = pa.array([datetime(2020, 1, 1, 12, tzinfo=UTC)], pa.timestamp("ns", "America/New_York"))
    columns = {"subject_id": pa.array([7], pa.int64()), "time": zoned, "code": pa.array(["a"]).dictionary_encode()}
    pq.write_table(pa.table({**columns, "numeric_value": [1.0], "unit": ["mg"]}), tmp_path / "data" / "0.parquet")
    table = pa.table(
        {"subject_id": [7], "prediction_time": pa.array([NOON + timedelta(seconds=9)], pa.timestamp("us"))}
    )
    pq.write_table(table, tmp_path / "labels.parquet")
    (case,) = cases(Meds(tmp_path, tmp_path / "labels.parquet", unit="unit")).values()
    assert case.views["events"] == ((Event("a", -9, 1.0, "mg"),),)


def test_a_long_history_keeps_what_has_no_time_and_the_latest(tmp_path: Path) -> None:
    rows = [{**ROWS[2], "time": NOON + timedelta(seconds=number)} for number in range(20_000)]
    (case,) = cases(Meds(write(tmp_path, [ROWS[0], *rows]), most=100)).values()
    (events,) = case.views["events"]
    assert [event.time for event in events] == [None, *range(-99, 0)]


def test_what_is_broken_is_said_in_a_line(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, ROWS[-1:], "data/train/1.parquet")
    content = (tmp_path / "data/train/0.parquet").read_bytes()
    (tmp_path / "data/train/2.parquet").write_bytes(content[: len(content) // 2])
    (tmp_path / "data/train/3.parquet").write_bytes(b"")
    pq.write_table(pa.table({"subject_id": ["x"], "time": [None], "code": ["a"]}), tmp_path / "data/train/4.parquet")
    columns = {"subject_id": pa.array([None, 9], pa.int64()), "time": pa.array([NOON] * 2, pa.timestamp("us"))}
    pq.write_table(pa.table({**columns, "code": ["a", None]}), tmp_path / "data/train/5.parquet")
    found = broken(Meds(tmp_path))
    reasons = ["subject in parts", "not readable", "not readable", "not MEDS", "no id", "no code"]
    assert [row.reason for row in found] == reasons
    assert all(len(row.message.splitlines()) == 1 for row in found)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is it a MEDS data set"):
        list(Meds(tmp_path).rows())
    with pytest.raises(UsageError, match="'events' is the modality"):
        Meds(tmp_path, texts={"events": ["x"]})
    metadata(write(tmp_path), {1: "elsewhere", 2: meds.train_split})
    assert [row.reason for row in broken(Meds(tmp_path))] == ["unknown split"]
    (tmp_path / meds.subject_splits_filepath).write_bytes(b"PAR1")
    with pytest.raises(DataError, match="damaged, or no Parquet file"):
        list(Meds(tmp_path).rows())
