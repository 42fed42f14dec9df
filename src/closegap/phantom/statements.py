"""What a report may state about a study, and how likely it is to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf

from closegap.phantom.catalogue import FINDINGS
from closegap.phantom.draw import Draw
from closegap.phantom.record import measurements
from closegap.phantom.study import Study

Facts = Mapping[str, str]
"""Slot to value: what a modality shows. Slots are "view", "sex", the findings' and devices' names ("present" or
"absent"), their attributes ("nodule.side"), "normal", and what is quoted from the record."""

VIEW_STATED, SEX_STATED = 0.6, 0.5
MAIN_STATED, OTHERS_STATED, DEVICE_STATED = 1.0, 0.9, 0.85
ATTRIBUTES_STATED: Mapping[str, float] = {"side": 0.92, "zone": 0.8, "size": 0.7}


@dataclass(frozen=True)
class Statement:
    """A fact that a report may state.

    Args:
        slot: what it is about.
        value: what it says.
        probability: that it is stated, given that what it `needs` is.
        needs: the slot that it belongs to, or None.
    """

    slot: str
    value: str
    probability: float
    needs: str | None = None


@dataclass(frozen=True)
class Quotation:
    """A column of the record that a report may quote.

    Args:
        slot: of the fact.
        column: of the record.
        low: it is quoted from this value on.
        high: it is quoted up to this value.
        probability: that it is quoted then.
    """

    slot: str
    column: str
    low: float = -inf
    high: float = inf
    probability: float = 0.5

    def applies(self, value: float) -> bool:
        """Whether a value is worth quoting."""
        return self.low <= value <= self.high


QUOTATIONS: tuple[Quotation, ...] = (
    Quotation("age", "age"),
    Quotation("fever", "temperature", low=38.0),
    Quotation("inflammation", "crp", low=60.0),
    Quotation("hypoxia", "spo2", high=91.0),
)


def statements(study: Study) -> Iterator[Statement]:
    """Everything that a report on the study may state; independent of one another, but for `needs`."""
    yield Statement("view", study.view, VIEW_STATED)
    yield Statement("sex", study.sex, SEX_STATED)
    yield from quotations_stated(study)
    yield from findings_stated(study)


def findings_stated(study: Study) -> Iterator[Statement]:
    """The statements about findings and devices."""
    for found in (*study.findings, *study.devices):
        main = found.name == study.main
        share = MAIN_STATED if main else OTHERS_STATED if found in study.findings else DEVICE_STATED
        yield Statement(found.name, "present", share)
        for attribute, value in found.attributes():
            yield Statement(f"{found.name}.{attribute}", value, ATTRIBUTES_STATED[attribute], found.name)
    for kind in FINDINGS:
        if study.finding(kind.name) is None and (kind.lateral or study.view != "lateral"):
            yield Statement(kind.name, "absent", kind.negated)
    if not study.findings:
        yield Statement("normal", "yes", 1.0)


def quotations_stated(study: Study) -> Iterator[Statement]:
    """The statements that quote the record."""
    values = measurements(study)
    for quotation in QUOTATIONS:
        value = float(values[quotation.column])
        if quotation.applies(value):
            yield Statement(quotation.slot, f"{value:g}", quotation.probability)


def draw_statements(study: Study, draw: Draw) -> dict[str, str]:
    """The facts that one report on the study states."""
    stated: dict[str, str] = {}
    for statement in statements(study):
        if (statement.needs is None or statement.needs in stated) and draw.chance(statement.probability):
            stated[statement.slot] = statement.value
    return stated
