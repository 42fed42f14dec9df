"""A study: the facts of one case, before any modality shows them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from closegap.phantom.catalogue import COUNTS, DEVICE_SIDES, FINDINGS, HABITUS, KINDS, SEXES, VIEWS, Sign
from closegap.phantom.draw import Draw

Cell = tuple[str, str]  # side and zone of a lung
ALL_ZONES = ("upper", "mid", "lower")


@dataclass(frozen=True)
class Finding:
    """A finding or a device, with what applies of side ("left", "right", "bilateral"), zone and size."""

    name: str
    side: str | None = None
    zone: str | None = None
    size: str | None = None

    def attributes(self) -> Iterator[tuple[str, str]]:
        """The attributes that apply, by name."""
        for name, value in (("side", self.side), ("zone", self.zone), ("size", self.size)):
            if value is not None:
                yield name, value


@dataclass(frozen=True)
class Study:
    """One case, complete.

    Args:
        seed: of the data set.
        index: of the case.
        view: "pa", "ap" or "lateral".
        sex: "female" or "male".
        habitus: "slim", "average" or "large".
        findings: in the order of the catalogue, so that the first is the main one; none for a normal case.
        devices: tubes, lines and pacemakers.
    """

    seed: int
    index: int
    view: str
    sex: str
    habitus: str
    findings: tuple[Finding, ...] = ()
    devices: tuple[Finding, ...] = ()

    @property
    def main(self) -> str:
        """Name of the main finding, or "normal"."""
        return self.findings[0].name if self.findings else "normal"

    def finding(self, name: str) -> Finding | None:
        """The finding or device of that name."""
        return next((found for found in (*self.findings, *self.devices) if found.name == name), None)

    def concepts(self) -> tuple[str, ...]:
        """Ids of what the case is about: findings, devices and their attributes; "normal" where nothing was found."""
        ids = [] if self.findings else ["normal"]
        for found in (*self.findings, *self.devices):
            ids.append(found.name)
            ids += [f"{found.name}.{attribute}={value}" for attribute, value in found.attributes()]
        return tuple(ids)


def draw_study(seed: int, index: int) -> Study:
    """Case `index` of the data set `seed`; no other case is needed for it."""
    draw = Draw(seed, index, "study")
    view = draw.weighted(VIEWS)
    sex = draw.weighted(SEXES)
    habitus = draw.weighted(HABITUS)
    findings = tuple(_draw_findings(draw, view))
    return Study(seed, index, view, sex, habitus, findings, tuple(_draw_devices(draw, view, findings)))


def _draw_findings(draw: Draw, view: str) -> list[Finding]:
    found: list[Finding] = []
    taken: frozenset[Cell] = frozenset()
    for _ in range(draw.weighted(COUNTS)):
        weights = {kind.name: _weight(kind, found) for kind in FINDINGS if kind.lateral or view != "lateral"}
        kind = KINDS[draw.weighted(weights)]
        places = {place: weight for place, weight in _places(kind).items() if not _cells(place, kind.name) & taken}
        if not places:
            continue  # what is already there would hide it
        place = draw.weighted(places)
        found.append(place)
        taken |= _cells(place, kind.name)
    order = [kind.name for kind in FINDINGS]
    return sorted(found, key=lambda finding: order.index(finding.name))


def _weight(kind: Sign, found: list[Finding]) -> float:
    weight = kind.weight
    for other in found:
        if other.name == kind.name or other.name in kind.never_with:
            return 0.0
        weight *= kind.with_.get(other.name, 1.0)
    return weight


def _places(kind: Sign) -> dict[Finding, float]:
    """Every side, zone and size of a kind, with their joint weights."""
    return {
        Finding(kind.name, side, zone, size): side_weight * zone_weight * size_weight
        for side, side_weight in _or_none(kind.sides)
        for zone, zone_weight in _or_none(kind.zones)
        for size, size_weight in _or_none(kind.sizes)
    }


def _or_none(weights: Mapping[str, float]) -> list[tuple[str | None, float]]:
    return list(weights.items()) or [(None, 1.0)]


_REACH: Mapping[str, Mapping[str | None, tuple[str, ...]]] = MappingProxyType(
    {  # zones that a finding fills, by its size
        "pleural_effusion": {"small": ("lower",), "moderate": ("lower", "mid"), "large": ALL_ZONES},
        "pneumothorax": {"small": ("upper",), "moderate": ("upper", "mid"), "large": ALL_ZONES},
        "hiatal_hernia": {},
    }
)


def _cells(found: Finding, name: str) -> frozenset[Cell]:
    """The parts of the lungs where nothing else could be seen beside the finding."""
    if found.side is None or name in ("hilar_enlargement", "rib_fracture", "scoliosis"):
        return frozenset()
    sides = ("left", "right") if found.side == "bilateral" else (found.side,)
    zones = (found.zone,) if found.zone is not None else _REACH[name][found.size]
    return frozenset((side, zone) for side in sides for zone in zones)


def _draw_devices(draw: Draw, view: str, findings: tuple[Finding, ...]) -> Iterator[Finding]:
    bedside = view == "ap"
    intubated = bedside and draw.chance(0.3)
    if intubated:
        yield Finding("endotracheal_tube")
    if view != "lateral" and draw.chance(0.85 if intubated else 0.15 if bedside else 0.02):
        yield Finding("nasogastric_tube")
    if draw.chance(0.5 if intubated else 0.25 if bedside else 0.06):
        yield Finding("central_line", draw.weighted(DEVICE_SIDES["central_line"]))
    if draw.chance(0.09):
        yield Finding("pacemaker", draw.weighted(DEVICE_SIDES["pacemaker"]))
    for found in findings:
        drained = found.name in ("pneumothorax", "pleural_effusion") and found.size != "small"
        if drained and view != "lateral" and draw.chance(0.4):
            side = draw.weighted(DEVICE_SIDES["chest_tube"]) if found.side in (None, "bilateral") else found.side
            yield Finding("chest_tube", side)
