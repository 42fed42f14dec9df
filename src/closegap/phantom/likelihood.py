"""How likely a report or a record is, given what an image shows; for the observer who knows how phantoms are made."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from jaxtyping import Float64

from closegap.phantom.catalogue import DEVICE_SIDES, KINDS, Weights
from closegap.phantom.columns import COLUMNS, NUMBERS, Column, setting_weights, smoking_weights
from closegap.phantom.record import Value
from closegap.phantom.statements import QUOTATIONS, SEX_STATED, VIEW_STATED, Facts, Statement, findings_stated
from closegap.phantom.study import Study

LogLikelihood = Float64[np.ndarray, "items studies"]
Table = Float64[np.ndarray, "#a #b"]  # a column of items, a row of studies, or both


def image_statements(study: Study) -> list[Statement]:
    """What a report may state that the image shows or nearly shows."""
    return [
        Statement("view", study.view, VIEW_STATED),
        Statement("sex", study.sex, SEX_STATED),
        *findings_stated(study),
    ]


def report_log_likelihood(reports: Sequence[Facts], studies: Sequence[Study]) -> LogLikelihood:
    """Log probability that a report on what the image shows states exactly these facts; -inf where it could not.

    Each statement is made or not independently of the others, once the one that it needs is made: the probability is
    a product over the slots. What is quoted from the record is left out here. A lateral view hides sides: they have
    the weights of the catalogue there.
    """
    offered = [{statement.slot: statement for statement in image_statements(study)} for study in studies]
    total = np.zeros((len(reports), len(studies)))
    for slot in sorted(
        set(chain.from_iterable(offered)) | {slot for facts in reports for slot in facts if _seen(slot)}
    ):
        total += _slot_log_likelihood(slot, reports, studies, offered)
    return total


def _seen(slot: str) -> bool:
    name = slot.partition(".")[0]
    return name in KINDS or name in DEVICE_SIDES or slot in ("view", "sex", "normal")


def _slot_log_likelihood(
    slot: str, reports: Sequence[Facts], studies: Sequence[Study], offered: Sequence[Mapping[str, Statement]]
) -> LogLikelihood:
    """The factor of one slot, as a table over what reports can say and what studies can offer."""
    name, _, attribute = slot.partition(".")
    said = [facts.get(slot) if not attribute or name in facts else "" for facts in reports]  # "": cannot arise
    kinds = [
        None
        if slot not in can
        else (can[slot].value, can[slot].probability, attribute == "side" and study.view == "lateral")
        for study, can in zip(studies, offered, strict=True)
    ]
    says, kind_list = list(dict.fromkeys(said)), list(dict.fromkeys(kinds))
    table = np.array([[_factor(say, kind, _sides(name)) for kind in kind_list] for say in says])
    rows = np.array([says.index(say) for say in said])
    columns = np.array([kind_list.index(kind) for kind in kinds])
    with np.errstate(divide="ignore"):
        factors: LogLikelihood = np.log(table)[rows[:, None], columns[None, :]]
    return factors


def _factor(said: str | None, kind: tuple[str, float, bool] | None, sides: Weights) -> float:
    if said == "":
        return 1.0
    if kind is None:
        return 1.0 if said is None else 0.0
    value, probability, hidden = kind
    if said is None:
        return 1.0 - probability
    if hidden:
        return probability * sides.get(said, 0.0) / sum(sides.values())
    return probability if said == value else 0.0


def _sides(name: str) -> Weights:
    return KINDS[name].sides if name in KINDS else DEVICE_SIDES.get(name, {})


def record_log_likelihood(records: Sequence[Mapping[str, Value]], studies: Sequence[Study]) -> LogLikelihood:
    """Log probability of the values in a record, given what the image of a study shows; blanks say nothing."""
    names = [tuple(found.name for found in study.findings) for study in studies]
    intubated = [study.finding("endotracheal_tube") is not None for study in studies]
    weights: dict[str, list[Mapping[str, float]]] = {
        "sex": [{study.sex: 1.0} for study in studies],
        "smoking": [smoking_weights(findings) for findings in names],
        "setting": [setting_weights(study.view, tube) for study, tube in zip(studies, intubated, strict=True)],
    }
    total = np.zeros((len(records), len(studies)))
    for name, options in weights.items():
        table = {
            value: np.array([option.get(value, 0.0) / sum(option.values()) for option in options])
            for value in {str(record[name]) for record in records if record[name] is not None}
        }
        for row, record in enumerate(records):
            if record[name] is not None:
                with np.errstate(divide="ignore"):
                    total[row] += np.log(table[str(record[name])])
    for column in NUMBERS:
        rows = [row for row, record in enumerate(records) if record[column.name] is not None]
        values = np.array([float(records[row][column.name] or 0.0) for row in rows])[:, None]
        with np.errstate(divide="ignore"):
            total[rows] += np.log(value_probability(column, values, _centres(column, studies)[None, :]))
    return total


def quotation_log_likelihood(reports: Sequence[Facts], studies: Sequence[Study]) -> LogLikelihood:
    """Log probability of what a report quotes from a record and of what it does not, given the findings."""
    total = np.zeros((len(reports), len(studies)))
    for quotation in QUOTATIONS:
        column = COLUMNS[quotation.column]
        centres = _centres(column, studies)[None, :]
        low, high = (np.full((1, 1), bound) for bound in (quotation.low, quotation.high))
        applies = _up_to(column, high, centres) - _up_to(column, low - column.step, centres)
        stated = np.array([float(facts.get(quotation.slot, "nan")) for facts in reports])[:, None]
        quoted = quotation.probability * value_probability(column, np.nan_to_num(stated), centres)
        with np.errstate(divide="ignore"):
            total += np.log(np.where(np.isnan(stated), 1.0 - quotation.probability * applies, quoted))
    return total


def value_probability(column: Column, values: Table, centres: Table) -> Table:
    """Probability that a column shows a value, where z is triangular around a centre."""
    chance: Table = _up_to(column, values, centres) - _up_to(column, values - column.step, centres)
    positive: Table = np.maximum(chance, 0.0)
    return positive


def _up_to(column: Column, values: Table, centres: Table) -> Table:
    """Probability that a column shows at most a value, that is, that z or its square rounds to it at most."""
    top = values + 0.5 * column.step
    if not column.squared:
        return _below(top, centres, column.reach)
    root = np.sqrt(np.maximum(top, 0.0))
    chance: Table = _below(root, centres, column.reach) - _below(-root, centres, column.reach)
    return chance


def _below(z: Table, centres: Table, reach: float) -> Table:
    """Probability that a triangular value around the centre is below z."""
    t = np.clip((z - centres) / reach, -1.0, 1.0)
    result: Table = np.where(t < 0.0, (1.0 + t) ** 2 / 2.0, 1.0 - (1.0 - t) ** 2 / 2.0)
    return result


def _centres(column: Column, studies: Sequence[Study]) -> Float64[np.ndarray, " studies"]:
    return np.array([column.centre_of([found.name for found in study.findings], study.sex) for study in studies])
