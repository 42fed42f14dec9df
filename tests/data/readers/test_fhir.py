"""FHIR: what bundles and bulk exports say, compared with what fhir.resources makes of them."""

import base64
import gzip
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.real import REAL, needs_real

from closegap.data import BrokenRow, Case, Fhir
from closegap.data.readers.fhir_events import code_of
from closegap.errors import DataError
from closegap.kinds import Event
from closegap.testing import check_source

LOINC = {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin"}]}
FLU = {"coding": [{"system": "http://snomed.info/sct", "code": "6142004", "display": "Influenza"}]}
ABOUT = {"subject": {"reference": "Patient/1"}, "encounter": {"reference": "Encounter/v1"}}
PATIENT = {
    "resourceType": "Patient",
    "id": "1",
    "gender": "female",
    "birthDate": "1980-05",
    "name": [{"family": "Hidden"}],
}
TIMES = [
    {"start": "2020-01-01T10:00:00+01:00", "end": "2020-01-01T12:00:00+01:00"},
    {"start": "2020-03-01T10:00:00Z"},
]
VISITS = [
    {
        "resourceType": "Encounter",
        "id": name,
        "class": {"code": kind},
        "subject": {"reference": who},
        "period": period,
    }
    for name, kind, who, period in zip(
        ("v1", "v2"), ("AMB", "IMP"), ("urn:uuid:1", "http://x/Patient/1"), TIMES, strict=True
    )
]
CONDITION = {
    "resourceType": "Condition",
    "id": "c",
    "code": FLU,
    "onsetDateTime": "2019-12-30",
    "recordedDate": "2020-01-01T10:30:00Z",
    **ABOUT,
}
LAB = {
    "resourceType": "Observation",
    "id": "o",
    "code": LOINC,
    "valueQuantity": {"value": 9.5, "unit": "g/dL"},
    "effectiveDateTime": "2020-01-01T09:30:00Z",
    "issued": "2020-01-01T11:30:00Z",
    **ABOUT,
}
REPORT = {
    "resourceType": "DiagnosticReport",
    "id": "d",
    "code": {"text": "Blood count"},
    "effectiveDateTime": "2020-01-01T09:30:00Z",
    "result": [{"reference": "Observation/o"}, {"reference": "DiagnosticReport/d"}],
    **ABOUT,
}
ALL: list[dict[str, Any]] = [PATIENT, *VISITS, CONDITION, LAB, REPORT]


def bundle(path: Path, *resources: Any) -> Path:
    entries = [{"fullUrl": f"urn:uuid:{one['id']}", "resource": one} for one in resources]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    return path


def cases(source: Fhir) -> dict[str, Case]:
    return {row.id: row for row in source.rows() if isinstance(row, Case)}


def broken(source: Fhir) -> list[BrokenRow]:
    return [row for row in source.rows() if isinstance(row, BrokenRow)]


def codes(case: Case) -> list[str]:
    return [event.code for event in case.views["events"][0]]


def test_a_patient_with_all_that_is_known(tmp_path: Path) -> None:
    source = Fhir(bundle(tmp_path / "a.json", *ALL), ids="kept")
    check_source(source)
    (case,) = cases(source).values()
    assert codes(case) == [
        "sex",
        "birth",
        "SNOMED/6142004",
        "encounter/AMB",
        "LOINC/718-7",
        "text/Blood count",
        "encounter/IMP",
    ]
    assert case.views["events"][0][4] == Event("LOINC/718-7", -60 * 86_400 - 1801, 9.5, "g/dL", "Hemoglobin")
    assert case.views["report"] == ("Blood count: Hemoglobin 9.5 g/dL",)
    assert (case.id, case.group, case.labels) == ("1", "1", {"sex": "female"})


def test_an_encounter_knows_what_was_recorded_before_its_end(tmp_path: Path) -> None:
    path = bundle(tmp_path / "a.json", *ALL)
    found = cases(Fhir(path, per="encounter", until="start + 1 h", ids="kept"))
    assert codes(found["v1"]) == [
        "sex",
        "birth",
        "encounter/AMB",
        "text/Blood count",
    ]  # not yet recorded, not yet issued
    assert codes(found["v2"]) == [
        "sex",
        "birth",
        "SNOMED/6142004",
        "encounter/AMB",
        "LOINC/718-7",
        "text/Blood count",
        "encounter/IMP",
    ]
    assert "report" in found["v1"].views and "report" not in found["v2"].views  # noqa: PT018
    source = Fhir(path, per="encounter", until="end", ids="kept")
    assert [row.reason for row in broken(source)] == ["no moment of prediction"]
    assert "SNOMED/6142004" in codes(cases(source)["v1"])
    assert "LOINC/718-7" not in codes(cases(source)["v1"])


def test_bulk_exports_say_what_bundles_say(tmp_path: Path) -> None:
    bundle(tmp_path / "a.json", *ALL)
    lines = tmp_path / "lines"
    lines.mkdir()
    for one in ALL:
        with gzip.open(lines / f"{one['resourceType']}.ndjson.gz", "at") as file:
            file.write(json.dumps(one) + "\n")
    (of_lines,), (of_bundle,) = (cases(Fhir(path)).values() for path in (lines, tmp_path / "a.json"))
    assert sorted(of_lines.views["events"][0], key=repr) == sorted(of_bundle.views["events"][0], key=repr)
    assert of_lines.views["report"] == of_bundle.views["report"]
    assert (of_lines.id, of_lines.group, of_lines.labels) == (of_bundle.id, of_bundle.group, of_bundle.labels)


def test_ids_are_digests_and_names_are_never_read(tmp_path: Path) -> None:
    rows = list(Fhir(bundle(tmp_path / "a.json", *ALL)).rows())
    assert "Hidden" not in repr(rows)
    assert all(len(row.group) == 20 and row.group != "1" for row in rows if isinstance(row, Case))


def test_what_is_void_is_left_out(tmp_path: Path) -> None:
    refuted = {**CONDITION, "verificationStatus": {"coding": [{"code": "refuted"}]}}
    source = Fhir(bundle(tmp_path / "a.json", PATIENT, VISITS[0], refuted, {**LAB, "status": "entered-in-error"}))
    (case,) = cases(source).values()
    assert codes(case) == ["sex", "birth", "encounter/AMB"]


def test_values_of_every_form(tmp_path: Path) -> None:
    forms: list[dict[str, Any]] = [
        {"valueQuantity": {"value": 5, "comparator": "<", "code": "mg"}},
        {"valueInteger": 3},
        {"valueBoolean": True},
        {"valueString": "two\nlines"},
        {"valueCodeableConcept": FLU},
        {"valueQuantity": {"value": "9"}},
    ]
    rest = {**LAB, "valueQuantity": None}
    both = {**rest, "id": "both", "component": [{"code": LOINC, "valueInteger": 1}, {"code": FLU, "valueInteger": 2}]}
    path = bundle(tmp_path / "a.json", *[{**rest, "id": f"o{n}", **form} for n, form in enumerate(forms)], both)
    (case,) = cases(Fhir(path)).values()
    found = [(event.value, event.unit) for event in case.views["events"][0]]
    assert found == [
        ("< 5", "mg"),
        (3.0, None),
        ("yes", None),
        ("two lines", None),
        ("Influenza", None),
        (None, None),
        (1.0, None),
        (2.0, None),
    ]


def test_reports_have_a_conclusion_an_attachment_or_a_narrative(tmp_path: Path) -> None:
    data = base64.b64encode("Große\nleer".encode()).decode()
    texts: list[dict[str, Any]] = [
        {"conclusion": "No  effusion."},
        {"presentedForm": [{"contentType": "text/plain; charset=utf-8", "data": data}]},
        {"text": {"div": "<div>Mass &lt; 2 cm<br/></div>"}},
    ]
    path = bundle(tmp_path / "a.json", *[{**REPORT, "id": f"d{n}", **text} for n, text in enumerate(texts)])
    (case,) = cases(Fhir(path)).values()
    assert case.views["report"] == ("No effusion.", "Große leer", "Mass < 2 cm")


def test_medicines_are_named_where_they_lie(tmp_path: Path) -> None:
    request = {"resourceType": "MedicationRequest", "authoredOn": "2020-01-01", **ABOUT}
    path = bundle(
        tmp_path / "a.json",
        {**request, "id": "m1", "medicationReference": {"reference": "Medication/m"}},
        {**request, "id": "m2", "medicationReference": {"reference": "#in"}, "contained": [{"id": "in", "code": FLU}]},
        {**request, "id": "m3", "medicationCodeableConcept": LOINC},
        {"resourceType": "Medication", "id": "m", "code": {"text": "Aspirin"}},
    )
    (case,) = cases(Fhir(path)).values()
    assert codes(case) == ["text/Aspirin", "SNOMED/6142004", "LOINC/718-7"]


@pytest.mark.parametrize(
    ("content", "reason", "where"),
    [
        ("[" * 10_000, "not JSON", "a.json"),
        ('{"resourceType": "Bundle", "x": NaN}', "not JSON", "a.json"),
        ("[]", "not FHIR", "a.json"),
        ('{"resourceType": "Bundle", "entry": {}}', "not FHIR", "a.json"),
        ('{"resourceType": "Bundle", "entry": [{"resource": 3}]}', "not FHIR", "a.json, entry 1"),
        (json.dumps({**LAB, "subject": {}}), "no patient", "a.json"),
        (json.dumps({**LAB, "effectiveDateTime": "0000-01-01"}), "not a time", "a.json"),
        (json.dumps({**LAB, "effectiveDateTime": None, "issued": None}), "not a time", "a.json"),
        (json.dumps({**CONDITION, "recordedDate": "9999-12-31T23:59:59-05:00"}), "not a time", "a.json"),
        (json.dumps({**REPORT, "presentedForm": [{"contentType": "text/plain", "data": "%"}]}), "not a time", "a.json"),
    ],
)
def test_what_is_broken_is_said_in_a_line(tmp_path: Path, content: str, reason: str, where: str) -> None:
    (tmp_path / "a.json").write_text(content)
    (row,) = broken(Fhir(tmp_path / "a.json"))
    assert (row.reason, Path(row.where).name) == (reason, where)
    assert len(row.message.splitlines()) == 1


def test_no_file_and_a_file_that_breaks_off(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected bundles"):
        list(Fhir(tmp_path).rows())
    content = gzip.compress(json.dumps({"resourceType": "Bundle", "entry": []}).encode())
    (tmp_path / "a.json.gz").write_bytes(content[:-9])
    (row,) = broken(Fhir(tmp_path))
    assert row.reason == "not readable"


@needs_real("fhir_synthea")
def test_synthea_says_what_fhir_resources_reads(tmp_path: Path) -> None:
    bundles = sorted((REAL / "fhir_synthea" / "bundles").iterdir())
    module = pytest.importorskip("fhir.resources.R4B.observation")
    for path in random.Random(0).sample(bundles, 2):
        (case,) = cases(Fhir(path)).values()
        expected: Counter[tuple[str, float | None]] = Counter()
        for entry in json.loads(gzip.decompress(path.read_bytes()))["entry"]:
            if entry["resource"]["resourceType"] == "Observation":
                read = module.Observation.model_validate(entry["resource"])
                for part in [read, *(read.component or [])]:
                    if part.valueQuantity is not None:
                        expected[f"LOINC/{part.code.coding[0].code}", float(part.valueQuantity.value)] += 1
        found = Counter((e.code, e.value) for e in case.views["events"][0] if isinstance(e.value, float))
        assert found == expected


def test_systems_that_are_not_known_keep_the_end_of_their_address() -> None:
    assert code_of({"coding": [{"system": "urn:oid:1.2.3", "code": "x"}]}) == ("1.2.3/x", None)
    assert code_of({"coding": [{"code": "x", "display": "y"}]}) == ("x", "y")
    assert code_of({"coding": "x"}) is None
