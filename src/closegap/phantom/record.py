"""The structured record of a study: what was measured, with blanks."""

from collections.abc import Mapping
from types import MappingProxyType

from closegap.phantom.columns import NUMBERS, setting_weights, smoking_weights
from closegap.phantom.draw import Draw
from closegap.phantom.study import Study

Value = float | str | None

RECORD_COLUMNS: tuple[str, ...] = ("sex", "setting", "smoking", *(column.name for column in NUMBERS))


def measurements(study: Study) -> Mapping[str, float | str]:
    """Everything about the patient that could be written down; reports quote it too."""
    draw = Draw(study.seed, study.index, "measurements")
    names = [found.name for found in study.findings]
    values: dict[str, float | str] = {
        "sex": study.sex,
        "setting": draw.weighted(setting_weights(study.view, study.finding("endotracheal_tube") is not None)),
        "smoking": draw.weighted(smoking_weights(names)),
    }
    for column in NUMBERS:
        values[column.name] = column.value_of(draw.bell(column.centre_of(names, study.sex), column.reach))
    return MappingProxyType(values)


def draw_record(study: Study, blanks: float) -> dict[str, Value]:
    """The measurements, each left blank with probability `blanks`."""
    draw = Draw(study.seed, study.index, "record")
    return {name: None if draw.chance(blanks) else value for name, value in measurements(study).items()}
