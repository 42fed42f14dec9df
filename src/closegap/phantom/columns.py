"""The columns of a record, and how findings move them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

Shifts = Mapping[str, float]


@dataclass(frozen=True)
class Column:
    """A measured quantity, triangular around a centre that the findings shift.

    The measured value is z rounded to `step`, or z squared where `squared` is set (quantities with a long tail);
    z is triangular on (centre - reach, centre + reach).

    Args:
        name: of the column.
        unit: of the value.
        centre: of z in a healthy man.
        reach: half-width of the distribution of z.
        step: values are whole multiples of it.
        shifts: finding to what it adds to the centre.
        limits: the shifted centre stays between these.
        female: what is added for women.
        squared: the value is the square of z.
    """

    name: str
    unit: str
    centre: float
    reach: float
    step: float
    shifts: Shifts
    limits: tuple[float, float]
    female: float = 0.0
    squared: bool = False

    def centre_of(self, findings: Iterable[str], sex: str) -> float:
        """The centre of z for somebody with these findings."""
        moved = self.centre + sum(self.shifts.get(name, 0.0) for name in findings)
        low, high = self.limits
        return min(max(moved, low), high) + (self.female if sex == "female" else 0.0)

    def value_of(self, z: float) -> float:
        """The value that is written down for z."""
        value = z * z if self.squared else z
        decimals = len(str(self.step).partition(".")[2]) if self.step < 1.0 else 0
        return round(round(value / self.step) * self.step, decimals)


NUMBERS: tuple[Column, ...] = (
    Column("age", "years", 54.0, 34.0, 1.0, {
        "hyperinflation": 8.0, "edema": 8.0, "cardiomegaly": 6.0, "pneumothorax": -12.0, "fibrosis": 8.0, "mass": 8.0,
        "hiatal_hernia": 6.0, "scoliosis": -6.0,
    }, (50.0, 64.0)),
    Column("temperature", "degrees Celsius", 36.8, 0.6, 0.1, {
        "consolidation": 1.5, "pleural_effusion": 0.2, "atelectasis": 0.2, "free_air": 0.8,
    }, (36.5, 38.7)),
    Column("heart_rate", "per minute", 76.0, 17.0, 1.0, {
        "consolidation": 14.0, "edema": 16.0, "pneumothorax": 22.0, "free_air": 24.0, "pleural_effusion": 6.0,
        "mediastinal_widening": 18.0, "rib_fracture": 8.0,
    }, (70.0, 112.0)),
    Column("respiratory_rate", "per minute", 15.0, 3.5, 1.0, {
        "edema": 9.0, "pneumothorax": 8.0, "consolidation": 6.0, "pleural_effusion": 4.0, "hyperinflation": 4.0,
        "fibrosis": 4.0, "rib_fracture": 3.0,
    }, (14.0, 28.0)),
    Column("spo2", "%", 97.2, 2.0, 1.0, {
        "edema": -6.0, "pneumothorax": -4.0, "consolidation": -4.0, "pleural_effusion": -2.0, "hyperinflation": -5.0,
        "fibrosis": -5.0, "atelectasis": -1.5,
    }, (84.0, 97.2)),
    Column("systolic", "mmHg", 128.0, 24.0, 1.0, {
        "edema": 20.0, "cardiomegaly": 14.0, "pneumothorax": -12.0, "free_air": -20.0, "mediastinal_widening": 22.0,
    }, (100.0, 165.0)),
    Column("diastolic", "mmHg", 76.0, 13.0, 1.0, {
        "edema": 10.0, "cardiomegaly": 7.0, "pneumothorax": -5.0, "free_air": -9.0, "mediastinal_widening": 8.0,
    }, (60.0, 96.0)),
    Column("wbc", "1e9 per litre", 2.7, 0.45, 0.1, {
        "consolidation": 1.0, "free_air": 0.9, "mass": 0.15, "rib_fracture": 0.2,
    }, (2.6, 3.9), squared=True),
    Column("crp", "mg per litre", 1.8, 1.4, 1.0, {
        "consolidation": 8.5, "free_air": 6.5, "pleural_effusion": 2.5, "mass": 2.5, "atelectasis": 1.0,
    }, (1.8, 13.0), squared=True),
    Column("nt_pro_bnp", "ng per litre", 10.0, 6.0, 1.0, {
        "edema": 26.0, "cardiomegaly": 14.0, "pleural_effusion": 8.0, "fibrosis": 4.0,
    }, (10.0, 55.0), squared=True),
    Column("d_dimer", "mg per litre", 0.62, 0.25, 0.01, {
        "mediastinal_widening": 0.9, "pleural_effusion": 0.25, "mass": 0.3, "rib_fracture": 0.4, "consolidation": 0.2,
    }, (0.6, 2.0), squared=True),
    Column("haemoglobin", "g per litre", 146.0, 17.0, 1.0, {
        "hiatal_hernia": -26.0, "mass": -16.0, "edema": -8.0, "hyperinflation": 8.0, "rib_fracture": -6.0,
    }, (112.0, 156.0), female=-13.0),
    Column("pco2", "kPa", 5.2, 0.5, 0.1, {
        "hyperinflation": 1.7, "pneumothorax": -0.4, "edema": -0.4, "fibrosis": -0.5,
    }, (4.4, 7.0)),
    Column("ph", "", 7.41, 0.04, 0.01, {
        "hyperinflation": -0.05, "free_air": -0.09, "edema": -0.03,
    }, (7.25, 7.43)),
)  # fmt: skip

COLUMNS: Mapping[str, Column] = MappingProxyType({column.name: column for column in NUMBERS})

SMOKERS: Mapping[str, float] = MappingProxyType({"never": 15.0, "former": 45.0, "current": 40.0})
OTHERS: Mapping[str, float] = MappingProxyType({"never": 55.0, "former": 28.0, "current": 17.0})
SMOKE_RELATED = frozenset({"mass", "nodule", "hyperinflation", "fibrosis"})

IN_INTENSIVE_CARE: Mapping[str, float] = MappingProxyType({"intensive care": 1.0})
AT_BEDSIDE: Mapping[str, float] = MappingProxyType({"intensive care": 15.0, "emergency": 45.0, "ward": 40.0})
ON_FOOT: Mapping[str, float] = MappingProxyType({"outpatient": 50.0, "emergency": 30.0, "ward": 20.0})


def smoking_weights(findings: Iterable[str]) -> Mapping[str, float]:
    """How likely each history of smoking is beside these findings."""
    return SMOKERS if SMOKE_RELATED & set(findings) else OTHERS


def setting_weights(view: str, intubated: bool) -> Mapping[str, float]:
    """Where somebody may be who was examined that way."""
    if intubated:
        return IN_INTENSIVE_CARE
    return AT_BEDSIDE if view == "ap" else ON_FOOT
