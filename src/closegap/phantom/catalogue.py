"""What a phantom can show: the findings and devices, how often, where and how large."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Weights = Mapping[str, float]

LEFT_OR_RIGHT: Weights = MappingProxyType({"left": 1.0, "right": 1.0})
ANY_SIDE: Weights = MappingProxyType({"left": 2.0, "right": 2.0, "bilateral": 1.0})
ANY_ZONE: Weights = MappingProxyType({"upper": 1.0, "mid": 1.0, "lower": 1.0})
NOWHERE: Weights = MappingProxyType({})


@dataclass(frozen=True)
class Sign:
    """A radiological sign: a kind of finding.

    Args:
        name: its concept id.
        weight: how often it is drawn, relative to the others.
        sides: side to weight; empty where a side makes no sense.
        zones: zone of the lung to weight; empty where a zone makes no sense.
        sizes: size to weight, a word or millimetres; empty where a size makes no sense.
        lateral: visible in a lateral view.
        negated: probability that a report on a case without it says so.
        with_: how much likelier it is beside others.
        never_with: what it cannot be told from, or cannot be seen beside.
    """

    name: str
    weight: float
    sides: Weights = field(default_factory=dict)
    zones: Weights = field(default_factory=dict)
    sizes: Weights = field(default_factory=dict)
    lateral: bool = True
    negated: float = 0.05
    with_: Weights = field(default_factory=dict)
    never_with: frozenset[str] = frozenset()


FINDINGS: tuple[Sign, ...] = (  # the first that a case has is its main finding
    Sign("pneumothorax", 9.0, LEFT_OR_RIGHT, sizes={"small": 2.0, "moderate": 3.0, "large": 2.0}, lateral=False,
         negated=0.6, with_={"rib_fracture": 3.0}, never_with=frozenset({"pleural_effusion", "edema"})),
    Sign("free_air", 5.0, negated=0.1),
    Sign("mass", 7.0, LEFT_OR_RIGHT, ANY_ZONE, {"40 mm": 1.0, "50 mm": 1.0, "60 mm": 1.0, "70 mm": 1.0}, negated=0.12,
         with_={"hilar_enlargement": 2.0}, never_with=frozenset({"nodule"})),
    Sign("pleural_effusion", 12.0, ANY_SIDE, sizes={"small": 3.0, "moderate": 3.0, "large": 2.0}, negated=0.6,
         with_={"edema": 4.0, "cardiomegaly": 2.0}, never_with=frozenset({"pneumothorax"})),
    Sign("consolidation", 11.0, LEFT_OR_RIGHT, ANY_ZONE, negated=0.5, with_={"pleural_effusion": 1.5}),
    Sign("edema", 9.0, sizes={"mild": 2.0, "moderate": 2.0, "severe": 1.0}, negated=0.25,
         with_={"cardiomegaly": 4.0, "pleural_effusion": 3.0},
         never_with=frozenset({"fibrosis", "pneumothorax", "hyperinflation"})),
    Sign("nodule", 8.0, LEFT_OR_RIGHT, ANY_ZONE, {f"{mm} mm": 1.0 for mm in (12, 16, 20, 25, 30)}, negated=0.15,
         never_with=frozenset({"mass"})),
    Sign("mediastinal_widening", 4.0, lateral=False, negated=0.2, never_with=frozenset({"scoliosis"})),
    Sign("rib_fracture", 6.0, LEFT_OR_RIGHT, ANY_ZONE, lateral=False, negated=0.2, with_={"pneumothorax": 3.0}),
    Sign("atelectasis", 9.0, LEFT_OR_RIGHT, {"mid": 1.0, "lower": 3.0}, negated=0.1, with_={"pleural_effusion": 1.5}),
    Sign("cardiomegaly", 11.0, sizes={"mild": 2.0, "moderate": 2.0, "marked": 1.0}, negated=0.55,
         with_={"edema": 3.0, "pleural_effusion": 2.0}, never_with=frozenset({"hyperinflation"})),
    Sign("fibrosis", 6.0, zones={"upper": 1.0, "lower": 3.0}, negated=0.05, never_with=frozenset({"edema"})),
    Sign("hilar_enlargement", 6.0, ANY_SIDE, negated=0.12, with_={"mass": 2.0}),
    Sign("hyperinflation", 8.0, negated=0.05, with_={"pneumothorax": 2.0},
         never_with=frozenset({"cardiomegaly", "edema"})),
    Sign("hiatal_hernia", 5.0, negated=0.02),
    Sign("scoliosis", 6.0, LEFT_OR_RIGHT, sizes={"mild": 2.0, "moderate": 2.0, "severe": 1.0}, lateral=False,
         negated=0.05, never_with=frozenset({"mediastinal_widening"})),
)  # fmt: skip

KINDS: Mapping[str, Sign] = MappingProxyType({kind.name: kind for kind in FINDINGS})

COUNTS: Mapping[int, float] = MappingProxyType({0: 25.0, 1: 35.0, 2: 26.0, 3: 14.0})  # findings in one case
VIEWS: Weights = MappingProxyType({"pa": 50.0, "ap": 36.0, "lateral": 14.0})
SEXES: Weights = MappingProxyType({"female": 1.0, "male": 1.0})
HABITUS: Weights = MappingProxyType({"slim": 20.0, "average": 55.0, "large": 25.0})

DEVICE_SIDES: Mapping[str, Weights] = MappingProxyType(
    {
        "endotracheal_tube": NOWHERE,
        "nasogastric_tube": NOWHERE,
        "central_line": MappingProxyType({"right": 3.0, "left": 1.0}),
        "pacemaker": MappingProxyType({"left": 5.0, "right": 1.0}),
        "chest_tube": LEFT_OR_RIGHT,
    }
)
