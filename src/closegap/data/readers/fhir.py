"""FHIR R4: bundles and bulk exports, a case for each patient or each encounter."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from closegap.bounds import PositiveInt
from closegap.data.case import BrokenRow, Case, Row
from closegap.data.readers.fhir_events import READ, code_of, events_of, report_text, tail, when
from closegap.data.readers.fhir_files import Found, is_bundled, resource_files, resources
from closegap.data.readers.histories import Histories
from closegap.data.readers.moments import Dated, Moment, Until, after_all, known_before
from closegap.data.readers.patients import Held, Ids, pseudonym
from closegap.kinds.event import Event
from closegap.kinds.events import latest

_NEVER = datetime.min.replace(tzinfo=UTC)  # before which nothing is known but what has no time


@dataclass(frozen=True)
class _Report:
    text: str
    title: str
    results: tuple[str, ...]
    encounter: str


@dataclass
class _Patient:
    """What was found of a patient so far."""

    where: str
    sex: str = ""
    events: list[Dated] = field(default_factory=list)
    observed: dict[str, list[Event]] = field(default_factory=dict)
    encounters: dict[str, tuple[Moment | None, Moment | None]] = field(default_factory=dict)
    reports: list[_Report] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)


class Fhir(Histories):
    """Health records in FHIR R4: a file or a folder of bundles and bulk exports.

    Modalities: "events", what was known of a patient before the moment of prediction, from Patient, Encounter,
    Condition, Observation, MedicationRequest, Procedure, DiagnosticReport, ImagingStudy, Immunization,
    AllergyIntolerance; and "report", the text of each DiagnosticReport, or its results in words where it has none.
    Reports are not cut. Names, addresses and numbers of patients are never read. The label is "sex".

    Resources are read as plain JSON, leniently: a field that is missing or of another type is as if it were not there.
    Bundles are parsed one at a time, NDJSON line by line; of each resource its events are held, until all are read.

    Args:
        root: .json or .ndjson, with .gz or without, or a folder of them.
        per: what a case is; the events of an encounter's case are all of its patient's before the moment.
        until: the moment of prediction, "start" or "end", or so long after or before. Of a patient's case they are the
            first event after birth and the last of all; "end" is just behind it.
        most: events of a case; of more, those without a time and the latest are kept.
        held: which patients are held out.
        ids: "digest" replaces the ids of cases and patients, "kept" leaves them.
        key: a file with a secret, for digests that nobody else can make.

    Reference:
        HL7 FHIR R4 (4.0.1); FHIR Bulk Data Access for NDJSON.
    """

    def __init__(
        self,
        root: Path,
        per: Literal["patient", "encounter"] = "patient",
        until: str = "end",
        most: PositiveInt = 10_000,
        held: Held | None = None,
        ids: Ids = "digest",
        key: Path | None = None,
    ) -> None:
        super().__init__(root, ["report"])
        self._per, self._most = per, most
        self._until, self._held, self._name = Until.of(until), held or Held(), pseudonym(ids, key)

    def rows(self) -> Iterator[Row]:
        """Resources that could not be read, in the order of files, then every case in the order of its patient.

        Raises:
            DataError: no such file, and no folder with one.
        """
        patients: dict[str, _Patient] = {}
        medications: dict[str, Any] = {}
        for path in resource_files(self._root):
            waiting: list[Found] = []
            aliases: dict[str, str] = {}
            for one in resources(path):
                if isinstance(one, BrokenRow):
                    yield one
                    continue
                kind, name = one.resource["resourceType"], one.resource.get("id")
                if isinstance(name, str) and one.url:
                    aliases[tail(one.url)] = name
                if kind == "Medication":
                    names = [key for key in (name, tail(one.url)) if isinstance(key, str) and key]
                    medications |= {key: {"code": one.resource.get("code")} for key in names}
                elif kind in READ and is_bundled(path):
                    waiting.append(one)  # what it refers to may come behind it
                elif kind in READ:
                    yield from self._taken(patients, one, aliases, medications)
            for one in waiting:
                yield from self._taken(patients, one, aliases, medications)
        for name, patient in patients.items():
            yield from self._cases(name, patient)

    def _taken(
        self, patients: dict[str, _Patient], found: Found, aliases: Mapping[str, str], medications: Mapping[str, Any]
    ) -> Iterator[BrokenRow]:
        """Put what a resource says to its patient."""
        resource, kind = found.resource, found.resource["resourceType"]
        name = resource.get("id")
        own = name if isinstance(name, str) else ""
        about = (
            own or tail(found.url) if kind == "Patient" else tail(resource.get("subject") or resource.get("patient"))
        )
        about = aliases.get(about, about)
        if not about:
            expected = "id" if kind == "Patient" else "subject"
            yield BrokenRow("no patient", found.where, f"{kind} has no {expected}, expected the patient it is of")
            return
        patient = patients.setdefault(about, _Patient(found.where))
        if own and (kind, own) in patient.seen:
            return
        patient.seen.add((kind, own))
        try:
            self._add(patient, resource, own, aliases, medications)
        except ValueError as error:
            yield BrokenRow("not a time", found.where, f"{error}")

    def _add(
        self, patient: _Patient, resource: Mapping[str, Any], own: str, aliases: Mapping[str, str],
        medications: Mapping[str, Any],
    ) -> None:  # fmt: skip
        kind, events = resource["resourceType"], list(events_of(resource, medications))
        patient.events.extend(events)
        if kind == "Patient":
            patient.sex = next((str(one.event.value) for one in events if one.event.code == "sex"), "")
        elif kind == "Observation" and own:
            patient.observed[own] = [one.event for one in events]
        elif kind == "Encounter" and own:
            period = resource.get("period")
            period = period if isinstance(period, Mapping) else {}
            patient.encounters[own] = (when(period, "start"), when(period, "end"))
        elif kind == "DiagnosticReport" and events:
            listed = resource.get("result")
            names = [tail(one) for one in listed] if isinstance(listed, list) else []
            title = code_of(resource.get("code"))
            visit = tail(resource.get("encounter"))
            results = tuple(aliases.get(name, name) for name in names)
            said = (title[1] or "") if title else ""
            patient.reports.append(_Report(report_text(resource), said, results, aliases.get(visit, visit)))

    def _cases(self, name: str, patient: _Patient) -> Iterator[Row]:
        group = self._name(name)
        visits: Mapping[str, tuple[Moment | None, Moment | None]] = patient.encounters
        if self._per == "patient":
            try:
                visits = {name: _span(patient.events)}
            except ValueError as error:
                yield BrokenRow("no moment of prediction", patient.where, str(error))
                return
        for visit, (start, end) in visits.items():
            try:
                until = self._until(start, end) if start or end or self._per == "encounter" else _NEVER
            except ValueError as error:
                yield BrokenRow("no moment of prediction", patient.where, f"{self._per} {error}")
                continue
            reports = [one for one in patient.reports if self._per == "patient" or one.encounter == visit]
            yield self._case(self._name(visit), group, patient, until, reports)

    def _case(self, name: str, group: str, patient: _Patient, until: datetime, reports: list[_Report]) -> Case:
        events = tuple(latest(known_before(patient.events, until), self._most))
        texts = (one.text or _in_words(one, patient.observed) for one in reports)
        views: dict[str, tuple[Any, ...]] = {"events": (events,)} if events else {}
        if said := tuple(dict.fromkeys(filter(None, texts))):
            views["report"] = said
        return Case(name, self._held.split(group), group, views, {"sex": patient.sex})


def _span(events: list[Dated]) -> tuple[Moment | None, Moment | None]:
    """When a record begins, births aside, and the moment just behind its last event."""
    first = min((one.moment.first for one in events if one.moment and one.event.code != "birth"), default=None)
    last = after_all(events)
    return (None if first is None else Moment(first, first)), (None if last is None else Moment(last, last))


def _in_words(report: _Report, observed: Mapping[str, list[Event]]) -> str:
    """The results that a report refers to, one level deep, so that what refers to itself ends."""
    results = [event.known for name in report.results for event in observed.get(name, ())]
    return f"{report.title}: {'; '.join(results)}" if results else ""
