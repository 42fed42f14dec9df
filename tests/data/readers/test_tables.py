"""Tables joined by key: what a nested loop would find, in the encodings that agencies write."""

import csv
import gzip
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.real import REAL, needs_real

from closegap.data import BrokenRow, Case, Tables
from closegap.data.readers.joined import EventColumns, TextColumns, Words
from closegap.data.readers.patients import Held
from closegap.data.readers.tables import CaseColumns
from closegap.errors import DataError, UsageError
from closegap.kinds import Event
from closegap.testing import check_source

STAYS = CaseColumns("stays.csv", "stay", "patient", "start", "end", labels=["ward"])


def write(path: Path, rows: list[list[Any]], encoding: str = "utf-8") -> None:
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(
        tmp_path / "stays.csv",
        [
            ["stay", "patient", "start", "end", "ward", "age"],
            ["s1", "p1", "2020-01-01 10:00", "2020-01-03 10:00", "A", "64"],
            ["s2", "p1", "2020-02-01 10:00", "2020-02-03 10:00", "B", ""],
            ["s3", "p2", "2020-01-01 10:00", "2020-01-02 10:00", "A", "3"],
        ],
    )
    write(
        tmp_path / "labs.csv.gz",
        [
            ["patient", "at", "item", "value", "unit"],
            ["p1", "2020-01-01 09:00", "50", "1.5", "mg"],
            ["p1", "2020-01-03 10:00", "50", "9", "mg"],
            ["p1", "2020-02-02", "51", "> 3", ""],
            ["p9", "2020-01-01 09:00", "50", "7", "mg"],
            ["p2", "2020-01-01", "50", "NaN", "mg"],
        ],
    )
    write(tmp_path / "codes.csv", [["stay", "icd", "version"], ["s1", "J18|I10", "10"], ["s3", "486", "9"]])
    write(tmp_path / "items.csv", [["item", "label"], ["50", "Lactate"]])
    write(tmp_path / "notes.csv", [["stay", "note"], ["s1", "naïve"], ["s1", "naïve"], ["s1", "second"]], "cp1252")
    return tmp_path


LABS = EventColumns(
    "labs.csv.gz", "patient", codes=["item"], system="LAB", words=Words("items.csv", "item", "label"), value="value",
    unit="unit", time="at",
)  # fmt: skip
CODES = EventColumns("codes.csv", codes=["icd"], separator="|", system="ICD{version}", words="icd", at="end")
AGE = EventColumns(values={"age": "age in years"}, system="own")


def tables(root: Path, **options: Any) -> Tables:
    return Tables(root, **{"cases": STAYS, "events": [LABS, CODES, AGE], "until": "end", **options})


def events(source: Tables) -> dict[str, tuple[Event, ...]]:
    return {row.id: row.views.get("events", [()])[0] for row in source.rows() if isinstance(row, Case)}


def test_events_of_a_stay_are_those_before_it_ended(root: Path) -> None:
    found = events(tables(root))
    day = 86_400
    assert found["s1"] == (
        Event("own/age", None, 64.0, None, "age in years"),
        Event("LAB/50", -2 * day - 3600, 1.5, "mg", "Lactate"),
    )
    assert found["s2"] == (
        Event("LAB/50", -31 * day - 2 * day - 3600, 1.5, "mg", "Lactate"),
        Event("LAB/50", -31 * day, 9.0, "mg", "Lactate"),
        Event("LAB/51", -day - 10 * 3600, "> 3"),
    )
    assert found["s3"][1:] == (Event("LAB/50", -day - 10 * 3600, None, "mg", "Lactate"),)


def test_what_is_coded_at_the_end_is_known_after_it(root: Path) -> None:
    found = events(tables(root, until="end + 1 h"))["s1"]
    assert Event("ICD10/J18", -3600, words="J18") in found
    assert Event("ICD10/I10", -3600, words="I10") in found
    assert Event("LAB/50", -3600, 9.0, "mg", "Lactate") in found
    assert not any(event.code.startswith("ICD") for event in events(tables(root, until="start + 24 h"))["s1"])


def test_texts_labels_groups_and_encodings(root: Path) -> None:
    texts = {"note": TextColumns("notes.csv", columns=["note"])}
    with pytest.raises(DataError, match=r"notes\.csv, after line \d: not utf-8 .*name the encoding"):
        list(tables(root, texts=texts).rows())
    source = tables(root, texts=texts, encoding="cp1252")
    check_source(source)
    first = next(row for row in source.rows() if isinstance(row, Case))
    assert (first.views["note"], first.labels, first.group) == (("naïve", "second"), {"ward": "A"}, "p1")


def test_a_join_is_what_a_nested_loop_finds(tmp_path: Path) -> None:
    drawn, begin = random.Random(0), datetime(2020, 1, 1)
    stays: list[list[Any]] = [
        [f"s{n}", f"p{drawn.randrange(5)}", begin + timedelta(hours=drawn.randrange(99))] for n in range(20)
    ]
    labs: list[list[Any]] = [
        [f"p{drawn.randrange(6)}", begin + timedelta(minutes=drawn.randrange(6000)), drawn.random()] for _ in range(300)
    ]
    write(tmp_path / "stays.csv", [["stay", "patient", "start"], *stays])
    write(tmp_path / "labs.csv", [["patient", "at", "value"], *labs])
    source = Tables(
        tmp_path,
        CaseColumns("stays.csv", "stay", "patient", start="start"),
        [EventColumns("labs.csv", "patient", values={"value": "lab"}, time="at")],
        until="start + 1 d",
    )
    for stay, patient, start in stays:
        until = start + timedelta(days=1)
        expected = sorted(
            ((at - until) // timedelta(seconds=1), value) for who, at, value in labs if who == patient and at < until
        )
        assert [(event.time, event.value) for event in events(source)[stay]] == expected


def test_patients_stay_in_one_split_under_names_of_their_own(root: Path) -> None:
    key = root / "key"
    key.write_bytes(b"k" * 32)
    held = Held(validation=0.3, test=0.3)
    plain, keyed = (list(tables(root, ids="digest", held=held, key=path).rows()) for path in (None, key))
    for rows in (plain, keyed):
        cases = [row for row in rows if isinstance(row, Case)]
        assert not {"s1", "p1", "p2"} & {name for case in cases for name in (case.id, case.group)}
        assert cases[0].group == cases[1].group != cases[2].group
        assert cases[0].split == cases[1].split
    assert plain != keyed
    key.write_bytes(b"short")
    with pytest.raises(DataError, match="expected a key of at least 16"):
        tables(root, ids="digest", key=key)
    with pytest.raises(UsageError, match="ids are kept"):
        tables(root, key=key)


def test_a_long_record_keeps_what_has_no_time_and_the_latest(root: Path) -> None:
    times = [f"2019-12-01T00:{number // 60:02}:{number % 60:02}" for number in range(500)]
    rows = [["p1", time, "50", str(number), ""] for number, time in enumerate(times)]
    write(root / "labs.csv.gz", [["patient", "at", "item", "value", "unit"], *rows])
    found = events(tables(root, most=10))["s1"]
    assert [event.value for event in found] == [64.0, *map(float, range(491, 500))]


@pytest.mark.parametrize(
    ("table", "row", "reason", "message"),
    [
        ("labs.csv.gz", ["p1", "NaN", "50", "1", ""], "not a time", "'NaN' is no time"),
        ("labs.csv.gz", ["p1", "", "50", "1", ""], "not a time", "column 'at' is blank"),
        ("labs.csv.gz", ["p1", "0000-01-01", "50", "1", ""], "not a time", "is no time"),
        ("labs.csv.gz", ["p1"], "wrong number of fields", "found 1 fields, expected 5"),
        ("stays.csv", ["s1", "p1", "2020-01-01", "2020-01-01", "", ""], "duplicate id", "comes again"),
        ("stays.csv", ["", "p1", "2020-01-01", "2020-01-01", "", ""], "no id", "column 'stay' is blank"),
        ("stays.csv", ["s9", "", "2020-01-01", "2020-01-01", "", ""], "no group", "column 'patient' is blank"),
        ("stays.csv", ["s9", "p1", "2020-01-01", "", "", ""], "no moment of prediction", "has no end"),
    ],
)
def test_broken_rows_name_their_place(root: Path, table: str, row: list[str], reason: str, message: str) -> None:
    path = root / table
    with (gzip.open if path.suffix == ".gz" else open)(path, "at", newline="") as file:
        csv.writer(file).writerow(row)
    (broken,) = [found for found in tables(root).rows() if isinstance(found, BrokenRow)]
    assert (broken.reason, message in broken.message) == (reason, True)
    assert f"{path}, line " in broken.where


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"until": None}, "until: none given, but events have times"),
        ({"cases": CaseColumns("stays.csv", "stay", start="start")}, "needs the column cases.end"),
        ({"texts": {"events": TextColumns(columns=["a"])}}, "'events' is the modality of events"),
    ],
)
def test_what_makes_no_sense_is_refused(root: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tables(root, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cases": CaseColumns("none.csv", "stay", end="end")}, "no such file"),
        ({"cases": CaseColumns("stays.csv", "stays", end="end")}, "expected a column 'stays', found 'stay'"),
        ({"encoding": "utf-99"}, "name the encoding"),
    ],
)
def test_what_is_not_there_is_said(root: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(tables(root, **options).rows())


def test_a_file_that_breaks_off_is_said(root: Path) -> None:
    content = (root / "labs.csv.gz").read_bytes()
    (root / "labs.csv.gz").write_bytes(content[:-12])
    with pytest.raises(DataError, match=r"labs\.csv\.gz, after line \d+: cannot be read on"):
        list(tables(root).rows())


@needs_real("vaers")
def test_the_tables_of_vaers() -> None:
    source = Tables(
        REAL / "vaers" / "raw_1990",
        CaseColumns("1990VAERSDATA.csv", "VAERS_ID", end="RECVDATE"),
        [
            EventColumns("1990VAERSVAX.csv", codes=["VAX_TYPE"], system="VAX", words="VAX_TYPE"),
            EventColumns("1990VAERSSYMPTOMS.csv", codes=["SYMPTOM1", "SYMPTOM2"], system="MedDRA", words="SYMPTOM1"),
            EventColumns(values={"AGE_YRS": "age"}, system="VAERS"),
        ],
        {"narrative": TextColumns(columns=["SYMPTOM_TEXT"])},
        encoding="cp1252",
    )
    cases = [row for row in source.rows() if isinstance(row, Case)]
    with (REAL / "vaers" / "raw_1990" / "1990VAERSVAX.csv").open(encoding="cp1252", newline="") as file:
        vaccines = list(csv.DictReader(file))
    found = {case.id: [e for e in case.views["events"][0] if e.system == "VAX"] for case in cases}
    assert sum(map(len, found.values())) == sum(bool(row["VAX_TYPE"]) for row in vaccines if row["VAERS_ID"] in found)
    assert all(case.views["narrative"] for case in cases if "narrative" in case.views)
