"""Findings and devices on a lateral film: whether a lesion is left or right cannot be told from it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from closegap.phantom.draw import Draw
from closegap.phantom.film import Film
from closegap.phantom.lateral import Profile, back, diaphragm, draw_profile, front, paint_anatomy
from closegap.phantom.raster import Point, clouds, curve, ellipse, ramp, stroke
from closegap.phantom.shapes import hilum_swelling, lump, net, patch, plates, radius
from closegap.phantom.study import Finding, Study

Painter = Callable[[Film, Profile, Finding, Draw], None]
HILUM: Point = (0.06, -0.10)


def paint_lateral(film: Film, study: Study) -> None:
    """Everything a lateral film shows."""
    profile = draw_profile(study)
    paint_anatomy(film, profile, study)
    for found in (*study.findings, *study.devices):
        if found.name in PAINTERS:
            PAINTERS[found.name](film, profile, found, Draw(study.seed, study.index, f"lateral {found.name}"))


def _spot(profile: Profile, zone: str | None, draw: Draw, margin: float = 0.0) -> Point:
    """A place in a zone, before or behind the heart."""
    x, y = {
        "upper": draw.pick(((-0.05, -0.42), (0.25, -0.40))),
        "mid": draw.pick(((-0.20, -0.14), (0.32, -0.08))),
        "lower": (0.34, profile.dome - 0.10),
    }[str(zone)]
    return x + draw.bell(0.0, 0.04), y + draw.bell(0.0, 0.04) - max(margin - 0.14, 0.0)


def _effusion(film: Film, profile: Profile, found: Finding, draw: Draw) -> None:
    rise = {"small": -0.10, "moderate": 0.14, "large": 0.52}[str(found.size)] + draw.uniform(0.0, 0.04)
    deep = diaphragm(profile, film.grid)
    side = np.minimum(np.abs(film.grid.x - 0.05), 0.6)
    level = profile.dome - rise - 0.40 * side * side
    fluid = ramp(film.grid.y - level, 0.06) * ramp(film.grid.x - (0.28 if found.size == "small" else -0.9), 0.1)
    film.tissue = film.tissue + 0.24 * fluid * film.air * ramp(deep - film.grid.y, 0.03)
    film.opacify(0.97 * fluid)


def _consolidation(film: Film, profile: Profile, found: Finding, draw: Draw) -> None:
    film.opacify(patch(film.grid, _spot(profile, found.zone, draw), HILUM, draw))


def _nodule(film: Film, profile: Profile, found: Finding, draw: Draw) -> None:
    size = radius(found.size)
    spot = ellipse(film.grid, _spot(profile, found.zone, draw), (size, size))
    film.markings = film.markings + 0.52 * ramp(spot, 0.030)


def _mass(film: Film, profile: Profile, found: Finding, draw: Draw) -> None:
    size = radius(found.size)
    film.opacify(0.92 * lump(film.grid, _spot(profile, found.zone, draw, size), size, draw))


def _atelectasis(film: Film, profile: Profile, found: Finding, draw: Draw) -> None:
    film.markings = film.markings + 0.42 * plates(film.grid, _spot(profile, found.zone, draw), 1.0, draw)


def _edema(film: Film, profile: Profile, found: Finding, draw: Draw) -> None:
    strength, reach = {"mild": (0.34, 0.30), "moderate": (0.52, 0.38), "severe": (0.70, 0.50)}[str(found.size)]
    texture = clouds(draw, film.grid, 7) + 0.7 * clouds(draw, film.grid, 16)
    haze = ramp(ellipse(film.grid, (0.10, 0.0), (reach, 1.2 * reach)) + 0.06 * texture, 0.3)
    film.opacify(strength * haze * (0.85 + 0.25 * texture))
    level = film.grid.y * (1.0 / 0.055)
    edge = ramp(film.grid.x - back(profile, film.grid) + 0.16, 0.05) * ramp(film.grid.y + 0.02, 0.1)
    film.markings = film.markings + 0.3 * strength * ramp(0.17 - np.abs(level - np.rint(level)), 0.2) * edge


def _fibrosis(film: Film, profile: Profile, found: Finding, draw: Draw) -> None:
    where = ramp(film.grid.y - 0.04, 0.3) if found.zone == "lower" else ramp(-0.24 - film.grid.y, 0.25)
    film.markings = film.markings + 0.30 * net(film.grid, draw) * where
    film.opacify(0.28 * where)


def _hilar_enlargement(film: Film, profile: Profile, found: Finding, draw: Draw) -> None:
    film.opacify(0.85 * hilum_swelling(film.grid, HILUM, 1.0, draw))


def _free_air(film: Film, profile: Profile, found: Finding, draw: Draw) -> None:
    below = film.grid.y - diaphragm(profile, film.grid)
    u = (film.grid.x + 0.16) * (1.0 / 0.36)
    deep = draw.uniform(0.08, 0.10)
    crescent = ramp(below - 0.022, 0.022) * ramp(deep * (1.0 - u * u) + 0.022 - below, 0.03)
    film.tissue = film.tissue * (1.0 - 0.72 * crescent)


def _hiatal_hernia(film: Film, profile: Profile, found: Finding, draw: Draw) -> None:
    size = draw.uniform(0.15, 0.18)
    centre = (draw.bell(0.20, 0.02), profile.dome - 0.06)
    shape = ellipse(film.grid, centre, (size, 0.9 * size))
    gas = ramp(shape - 0.03, 0.025) * ramp(centre[1] + 0.1 * size - film.grid.y, 0.02)
    film.opacify(0.9 * ramp(shape, 0.03))
    film.tissue = film.tissue * (1.0 - 0.50 * gas)


def _central_line(film: Film, profile: Profile, found: Finding, draw: Draw) -> None:
    path = [*curve((-0.10, -1.2), (-0.16, -0.70), (-0.04, -0.42), 3), (-0.06, draw.uniform(-0.14, -0.02))]
    film.metal = film.metal + 0.42 * stroke(film.grid, path, 0.016)


def _pacemaker(film: Film, profile: Profile, found: Finding, draw: Draw) -> None:
    wall = float(front(profile, film.grid)[film.grid.x.shape[0] // 4, 0])
    place = (wall - 0.05, -0.50)
    film.metal = film.metal + 1.1 * ramp(ellipse(film.grid, place, (0.05, 0.11), 0.2), 0.02)
    vein = curve(place, (-0.10, -0.72), (-0.04, -0.36), 4)
    lead = curve((-0.04, -0.36), (-0.02, profile.dome - 0.04), (-0.34, profile.dome - 0.08), 5)
    film.metal = film.metal + 0.5 * stroke(film.grid, vein + lead[1:], 0.018)


PAINTERS: Mapping[str, Painter] = MappingProxyType(
    {
        "pleural_effusion": _effusion,
        "consolidation": _consolidation,
        "nodule": _nodule,
        "mass": _mass,
        "atelectasis": _atelectasis,
        "edema": _edema,
        "fibrosis": _fibrosis,
        "hilar_enlargement": _hilar_enlargement,
        "free_air": _free_air,
        "hiatal_hernia": _hiatal_hernia,
        "central_line": _central_line,
        "pacemaker": _pacemaker,
    }
)
