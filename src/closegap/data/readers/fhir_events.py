"""What resources of FHIR R4 say as events, and when it was known."""

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import unescape
from typing import Any

from closegap.data.readers.moments import Dated, Moment, moment
from closegap.kinds.event import Event

SYSTEMS = {
    "http://snomed.info/sct": "SNOMED",
    "http://loinc.org": "LOINC",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD10CM",
    "http://hl7.org/fhir/sid/icd-10": "ICD10",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD9CM",
    "http://hl7.org/fhir/sid/ndc": "NDC",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "http://www.ama-assn.org/go/cpt": "CPT",
    "http://www.whocc.no/atc": "ATC",
    "http://dicom.nema.org/resources/ontology/DCM": "DCM",
}
"""Address of a system of codes to the name that stands before its codes; of others, the end of the address."""

_VOID = frozenset({"entered-in-error", "cancelled", "not-done", "refuted"})
_TAG = re.compile(r"<[^>]*>")


def events_of(resource: Mapping[str, Any], medications: Mapping[str, Any]) -> Iterator[Dated]:
    """The events of a resource; none of one that is void, or of a type that says nothing of a patient's course.

    What began earlier than it was recorded counts as of its record: a diagnosis with its recordedDate, a result with
    the moment at which it was issued.

    Args:
        resource: of a type in `READ`.
        medications: by id, for requests that refer to one.

    Raises:
        ValueError: it lacks the time that it needs, or has one that is none.
    """
    if not _is_void(resource):
        yield from READ[resource["resourceType"]](resource, medications)


def code_of(concept: Any) -> tuple[str, str | None] | None:
    """The first code of a CodeableConcept, with its system, and its words; the text where it has no code.

    Example:
        >>> code_of({"coding": [{"system": "http://loinc.org", "code": "8302-2", "display": "Body Height"}]})
        ('LOINC/8302-2', 'Body Height')
    """
    text = _text(_map(concept).get("text"))
    for coding in _maps(_map(concept).get("coding")):
        if code := _text(coding.get("code")):
            system = _text(coding.get("system"))
            name = SYSTEMS.get(system, re.split(r"[/:]", system.rstrip("/:"))[-1])
            return (f"{name}/{code}" if name else code), (_text(coding.get("display")) or text or None)
    return (f"text/{text}", text) if text else None


def value_of(element: Mapping[str, Any]) -> tuple[float | str | None, str | None]:
    """The value[x] of an observation or of a component of it, and its unit."""
    quantity = _map(element.get("valueQuantity"))
    number = _number(quantity.get("value"))
    if number is not None:
        unit = _text(quantity.get("unit")) or _text(quantity.get("code")) or None
        comparator = _text(quantity.get("comparator"))
        return (f"{comparator} {number:.6g}" if comparator else number), unit
    if (whole := _number(element.get("valueInteger"))) is not None:
        return whole, None
    if isinstance(found := element.get("valueBoolean"), bool):
        return ("yes" if found else "no"), None
    if coded := code_of(element.get("valueCodeableConcept")):
        return coded[1] or coded[0], None
    return (_text(element.get("valueString")) or _text(element.get("valueDateTime")) or None), None


def report_text(report: Mapping[str, Any]) -> str:
    """The conclusion of a DiagnosticReport, its attached plain text, its narrative; "" where it has none of them."""
    parts = [_text(report.get("conclusion"))]
    for form in _maps(report.get("presentedForm")):
        if _text(form.get("contentType")).startswith("text/plain"):
            try:
                parts.append(base64.b64decode(_text(form.get("data")), validate=True).decode())
            except (binascii.Error, ValueError) as error:
                raise ValueError(f"the text of its presentedForm cannot be read ({error})") from error
    if not any(parts):
        parts.append(unescape(_TAG.sub(" ", _text(_map(report.get("text")).get("div")))))
    return " ".join(" ".join(parts).split())


def tail(reference: Any) -> str:
    """The id that a reference ends in, of an address as of "Patient/1" or "urn:uuid:1"; "" where there is none.

    Example:
        >>> tail({"reference": "http://example.org/fhir/Patient/7/_history/2"}), tail({"reference": "urn:uuid:7"})
        ('7', '7')
    """
    address = _text(_map(reference).get("reference")) if isinstance(reference, Mapping) else _text(reference)
    return re.split(r"[/:#]", address.split("/_history/")[0])[-1]


def when(resource: Mapping[str, Any], *names: str) -> Moment | None:
    """The first of some times or periods that a resource has; a period is known at its end.

    Raises:
        ValueError: it is no time.
    """
    for name in names:
        found = resource.get(name)
        if isinstance(found, Mapping):
            ends = [moment(found[key]) for key in ("start", "end") if found.get(key) is not None]
            if ends:
                return _between(ends[0], ends[-1])
        elif found is not None:
            return moment(found)
    return None


def _dated(event: Event, resource: Mapping[str, Any], happened: Sequence[str], recorded: str = "") -> Dated:
    """The event from when it happened to when it was known."""
    known = when(resource, recorded) if recorded else None
    began = when(resource, *happened) or known
    if began is None:
        raise ValueError(f"{resource['resourceType']} has no {' or '.join([*happened, recorded]).removesuffix(' or ')}")
    return Dated(event, _between(began, known or began))


def _between(first: Moment, last: Moment) -> Moment:
    return Moment(first.first, max(first.last, last.last))


def _coded(key: str, happened: Sequence[str], recorded: str = "") -> Callable[..., Iterator[Dated]]:
    def read(resource: Mapping[str, Any], medications: Mapping[str, Any]) -> Iterator[Dated]:
        del medications
        if found := code_of(resource.get(key)):
            yield _dated(Event(found[0], words=found[1]), resource, happened, recorded)

    return read


def _patient(resource: Mapping[str, Any], medications: Mapping[str, Any]) -> Iterator[Dated]:
    del medications
    if gender := _text(resource.get("gender")):
        yield Dated(Event("sex", value=gender))
    if resource.get("birthDate") is not None:
        yield Dated(Event("birth"), moment(resource["birthDate"]))
    if resource.get("deceasedDateTime") is not None:
        yield Dated(Event("death"), moment(resource["deceasedDateTime"]))


def _encounter(resource: Mapping[str, Any], medications: Mapping[str, Any]) -> Iterator[Dated]:
    del medications
    period = _map(resource.get("period"))
    began = {"resourceType": "Encounter", "period.start": period.get("start")}
    kind = _text(_map(resource.get("class")).get("code"))
    words = next((found[1] for one in _maps(resource.get("type")) if (found := code_of(one))), None)
    yield _dated(Event(f"encounter/{kind}" if kind else "encounter", words=words), began, ["period.start"])
    for reason in map(code_of, _maps(resource.get("reasonCode"))):
        if reason:
            yield _dated(Event(reason[0], words=reason[1]), resource, ["period"])


def _observation(resource: Mapping[str, Any], medications: Mapping[str, Any]) -> Iterator[Dated]:
    del medications
    times = ("effectiveDateTime", "effectiveInstant", "effectivePeriod")
    components = _maps(resource.get("component"))
    for part in [resource, *components]:
        value, unit = value_of(part)
        if (found := code_of(part.get("code"))) and (value is not None or not components):
            yield _dated(Event(found[0], None, value, unit, found[1]), resource, times, "issued")


def _medication(resource: Mapping[str, Any], medications: Mapping[str, Any]) -> Iterator[Dated]:
    concept = resource.get("medicationCodeableConcept")
    if concept is None:
        name = tail(resource.get("medicationReference"))
        own = (one for one in _maps(resource.get("contained")) if _text(one.get("id")) == name)
        concept = _map(next(own, medications.get(name))).get("code")
    if found := code_of(concept):
        yield _dated(Event(found[0], words=found[1]), resource, ["authoredOn"])


def _imaging(resource: Mapping[str, Any], medications: Mapping[str, Any]) -> Iterator[Dated]:
    del medications
    found = dict.fromkeys(filter(None, map(code_of, _maps(resource.get("procedureCode")))))
    for series in _maps(resource.get("series")):
        found |= dict.fromkeys(
            filter(None, (code_of({"coding": [series.get(key)]}) for key in ("modality", "bodySite")))
        )
    for code, words in found:
        yield _dated(Event(code, words=words), resource, ["started"])


READ: Mapping[str, Callable[..., Iterator[Dated]]] = {
    "Patient": _patient,
    "Encounter": _encounter,
    "Condition": _coded("code", ("onsetDateTime", "onsetPeriod"), "recordedDate"),
    "Observation": _observation,
    "MedicationRequest": _medication,
    "Procedure": _coded("code", ("performedDateTime", "performedPeriod")),
    "DiagnosticReport": _coded("code", ("effectiveDateTime", "effectivePeriod"), "issued"),
    "ImagingStudy": _imaging,
    "Immunization": _coded("vaccineCode", ("occurrenceDateTime",), "recorded"),
    "AllergyIntolerance": _coded("code", ("onsetDateTime", "onsetPeriod"), "recordedDate"),
}
"""Type of a resource to what reads it; others, such as bills, are passed over."""


def _is_void(resource: Mapping[str, Any]) -> bool:
    verified = (_text(coding.get("code")) for coding in _maps(_map(resource.get("verificationStatus")).get("coding")))
    return not _VOID.isdisjoint({_text(resource.get("status")), *verified})


def _map(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _maps(found: Any) -> list[Mapping[str, Any]]:
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _text(found: Any) -> str:
    return " ".join(found.split()) if isinstance(found, str) else ""


def _number(found: Any) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        number = float(found)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
