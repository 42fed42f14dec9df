"""Health records: FHIR bundles and bulk exports, MEDS shards, relational tables, with what does not belong there."""

import csv
import gzip
import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import STRANGE, damage_file
from acceptance.tiny import part, write

_TIMES = (
    *("0000-01-01", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "NaN", "", "2020-02-30", "2020-W01-1"),
    *("1e9", "12:00", "2020-01-01T25:00:00Z", "2020-01-01T10:00:00+99:99", "20200101", "-0001-01-01", "2020"),
    *("2020-06-01T10:00:00+05:30", "2020-06", "2020-01-01T10:00", "2020-01-01T00:00:00.123456789Z", "9" * 5000, "\0"),
)
_UNTIL = ("end", "end", "start", "start + 24 h", "end - 1 d", "soon", "end + 999999999 d")
_WRONG: tuple[Any, ...] = (None, 5, -1.5, True, "", "x" * 20_000, [], {}, [[]], [None], {"a": {}}, 10**400, "\u2028")
_DEEP, _MANY = 10_000, 100_000


def make(place: Place) -> Case:
    """Shards written from malformed health records."""
    random = place.random
    sound = random.random() < 0.05
    data = random.choice([_fhir, _fhir, _meds, _tables])(random, sound)
    if not sound and random.random() < 0.25:
        damage_file(random, random.choice(sorted(path for path in Path("in").rglob("*") if path.is_file())))
    share, raised = random.choice([0.05, 1]), sound or random.random() < 0.5
    checks = {"on_error": "raise" if raised else "skip", "max_skipped": share}
    config = write("config.json", {"data": data, "checks": {**checks, "leaks": "drop"}})
    return Case(["shard", "--config", config, "--out", "out"], "taken" if sound else "any")


def _fhir(random: Random, sound: bool) -> dict[str, Any]:
    """Bundles of patients, or lines, with wrong types, times, references and depths."""
    folder = Path("in")
    folder.mkdir()
    for number in range(random.randint(2, 4)):
        found = _resources(f"p{number}")
        for _ in range(0 if sound else random.randint(1, 4)):
            _spoil(random, found)
        lines = random.random() < 0.4
        entries: list[dict[str, Any]] = [{"fullUrl": f"urn:uuid:{one.get('id')}", "resource": one} for one in found]
        if not sound and random.random() < 0.1:
            nested = {"resourceType": "Bundle", "id": "b", "entry": entries[:]}
            entries.append({"fullUrl": "urn:uuid:b", "resource": nested, "link": [{"url": "urn:uuid:b"}]})
        whole = {"resourceType": "Bundle", "id": "b", "entry": entries}
        text = "\n".join(map(json.dumps, found)) if lines else json.dumps(whole)
        if not sound and random.random() < 0.15:
            text = _texts(random, text)
        packed = random.random() < 0.4
        path = folder / f"{number}{'.ndjson' if lines else '.json'}{'.gz' if packed else ''}"
        content = text.encode("utf-8", "surrogatepass")
        path.write_bytes(gzip.compress(content) if packed else content)
    per = "patient" if sound else random.choice(["patient", "encounter"])
    return part("closegap.data.Fhir", root="in", per=per, until="end" if sound else random.choice(_UNTIL))


def _texts(random: Random, text: str) -> str:
    deep = '{"resourceType":"Bundle","entry":' + "[" * _DEEP
    odd = [
        *(deep, deep + "]" * _DEEP + "}", '{"resourceType":"Patient","id":"1","extension":[' * _DEEP),
        *(text[: len(text) // 2], f"[{text}]", text.replace(":", "", 1), "\ufeff" + text, "", "\0" * 100),
        *(text.replace("9.5", number) for number in ("NaN", "1e999", "-Infinity", "9" * 5000)),
    ]
    return random.choice(odd)


def _resources(name: str) -> list[dict[str, Any]]:
    about = {"subject": {"reference": f"Patient/{name}"}, "encounter": {"reference": f"Encounter/{name}-Encounter"}}
    code = {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin"}], "text": "Hemoglobin"}
    time, result = "2020-01-01T10:00:00+01:00", [{"reference": f"Observation/{name}-Observation"}]
    own: dict[str, dict[str, Any]] = {
        "Encounter": {"class": {"code": "AMB"}, "period": {"start": time, "end": time}},
        "Condition": {"code": code, "onsetDateTime": time},
        "Observation": {"code": code, "effectiveDateTime": time, "valueQuantity": {"value": 9.5, "unit": "g/dL"}},
        "MedicationRequest": {"medicationCodeableConcept": code, "authoredOn": time},
        "DiagnosticReport": {"code": code, "effectiveDateTime": time, "conclusion": f"Seen {name}.", "result": result},
    }
    patient = {"resourceType": "Patient", "id": name, "gender": "female", "birthDate": "1980-05-01"}
    return [patient, *({"resourceType": kind, "id": f"{name}-{kind}", **found, **about} for kind, found in own.items())]


def _spoil(random: Random, found: list[dict[str, Any]]) -> None:
    one, what = random.choice(found), random.randrange(7)
    key = random.choice(sorted(one)) if one else "id"
    if what == 0:
        one[key] = random.choice(_WRONG)
    elif what == 1:
        one.pop(key, None)
    elif what == 2:
        names = ["effectiveDateTime", "onsetDateTime", "authoredOn", "birthDate", "issued"]
        one[random.choice(names)] = random.choice(_TIMES)
    elif what == 3:
        one["result"] = [{"reference": f"DiagnosticReport/{one.get('id')}"}] * random.choice([1, 1000])
    elif what == 4:
        addresses = [f"Patient/{one.get('id')}", "#", "//", "urn:uuid:", *STRANGE[:4]]
        one["subject"] = {"reference": random.choice(addresses)}
    elif what == 5:
        one["code"] = {"coding": [{name: random.choice(STRANGE) for name in ("system", "code", "display")}]}
    else:
        found.append({**one, "resourceType": random.choice(["Bundle", "Claim", "", "Patient", "Observation"])})


def _meds(random: Random, sound: bool) -> dict[str, Any]:
    """Shards with other columns, types, orders, times and lengths."""
    Path("in/data/train").mkdir(parents=True)
    first = datetime(2020, 1, 1)
    for shard in range(2):
        n = 12 if sound or random.random() < 0.97 else _MANY
        times = [None if row % 5 == 0 else first + timedelta(minutes=row) for row in range(n)]
        columns: dict[str, Any] = {
            "subject_id": pa.array([shard * 9 + row * 3 // n for row in range(n)], pa.int64()),
            "time": pa.array(times, pa.timestamp("us")),
            "code": pa.array([f"LOINC/{row % 7}" for row in range(n)]),
            "numeric_value": pa.array([float(row) for row in range(n)], pa.float32()),
            "text_value": pa.array(["left" if row % 4 == 0 else None for row in range(n)], pa.large_string()),
        }
        for _ in range(0 if sound else random.randint(1, 3)):
            name = random.choice(sorted(columns))
            if random.random() < 0.15:
                columns.pop(name)
            else:
                columns[name] = _odd(random, n)
        pq.write_table(pa.table(columns), f"in/data/train/{shard}.parquet")
    texts = {} if sound or random.random() < 0.7 else {"note": [random.choice(["LOINC/4", "", "\0"])]}
    return part("closegap.data.Meds", root="in", texts=texts)


def _odd(random: Random, n: int) -> pa.Array:
    """A column that MEDS does not expect."""
    value, kind = random.choice(
        [
            *((value, None) for value in (None, 1, "x", [1], b"\xff", float("nan"), random.choice(STRANGE))),
            *(
                (0, pa.int64()),
                (2**62, pa.timestamp("us")),
                (-(2**62), pa.timestamp("ns")),
                (-(2**40), pa.timestamp("s")),
            ),
            *((datetime(2020, 1, 1), pa.timestamp("s", "Asia/Kolkata")), (2**33, pa.timestamp("s", "Nowhere/None"))),
        ]
    )
    return pa.array([value] * n, kind)


def _tables(random: Random, sound: bool) -> dict[str, Any]:
    """Two tables, the second joined to the first, with wrong cells, widths and encodings."""
    Path("in").mkdir()
    stays = [[f"s{n}", f"p{n}", f"2020-01-{n + 1:02} 10:00", f"2020-02-{n + 1:02}", str(20 + n)] for n in range(6)]
    days = [f"2020-01-{random.randint(1, 28):02}" for _ in range(30)]
    labs = [[f"p{random.randrange(7)}", day, f"c{n % 5}", str(n), "mg"] for n, day in enumerate(days)]
    for rows in (stays, labs):
        for _ in range(0 if sound else random.randint(0, 3)):
            row = random.choice(rows)
            row[random.randrange(len(row))] = random.choice([*STRANGE, *_TIMES])
            if random.random() < 0.2:
                row.append("more")
    encoding = "utf-8" if sound else random.choice(["utf-8", "utf-16", "latin-1", "cp1252"])
    _table("in/stays.csv", ["stay", "patient", "start", "end", "age"], stays, encoding)
    _table("in/labs.csv.gz", ["patient", "at", "code", "value", "unit"], labs, encoding)
    events: list[dict[str, Any]] = [
        {"values": {"age": "age"}},
        {"table": "labs.csv.gz", "key": "patient", "codes": ["code"], "system": "LAB", "value": "value", "time": "at"},
    ]
    if not sound and random.random() < 0.2:
        events[1][random.choice(["table", "key", "system", "time", "value"])] = random.choice(STRANGE)
    given = "utf-8" if sound else random.choice([encoding, "utf-8", "utf-99"])
    cases = {"table": "stays.csv", "id": "stay", "group": "patient", "start": "start", "end": "end"}
    return part("closegap.data.Tables", root="in", cases=cases, events=events, until="end", encoding=given)


def _table(path: str, header: list[str], rows: list[list[str]], encoding: str) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([header, *rows])
    content = buffer.getvalue().encode(encoding, "replace")
    Path(path).write_bytes(gzip.compress(content) if path.endswith(".gz") else content)
