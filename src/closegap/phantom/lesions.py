"""Findings that are painted on a frontal film; those that shape the chest itself are in `frontal.draw_chest`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from closegap.phantom.draw import Draw
from closegap.phantom.film import Film
from closegap.phantom.frontal import Chest, cage, dome
from closegap.phantom.raster import Field, Point, clouds, ellipse, ramp
from closegap.phantom.shapes import hilum_swelling, lump, net, patch, plates, radius
from closegap.phantom.study import Finding, Study

Painter = Callable[[Film, Chest, Finding, Draw], None]


def paint_findings(film: Film, chest: Chest, study: Study) -> None:
    """Paint every finding that has a painter, each with random values of its own."""
    for found in study.findings:
        if found.name in PAINTERS:
            PAINTERS[found.name](film, chest, found, Draw(study.seed, study.index, found.name))


def directions(found: Finding) -> tuple[float, ...]:
    """Signs of x of the sides that a finding is on: the patient's right is negative."""
    return {"right": (-1.0,), "left": (1.0,), "bilateral": (-1.0, 1.0)}[str(found.side)]


def half(film: Film, direction: float) -> Field:
    """1 on one side of the midline."""
    return ramp(film.grid.x * direction, 0.02)


def spot(chest: Chest, direction: float, zone: str, draw: Draw, margin: float = 0.0) -> Point:
    """A place in a zone of a lung, at least about `margin` from its edges."""
    floor = chest.domes[0] if direction < 0.0 else chest.domes[1]
    centre = {"upper": (0.37, -0.42), "mid": (0.45, -0.06), "lower": (0.52, floor - 0.14)}[zone]
    down = draw.bell(0.0, 0.06) - (max(margin - 0.12, 0.0) if zone == "lower" else 0.0)
    return direction * (centre[0] + draw.bell(0.0, 0.06)), centre[1] + down


def _effusion(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """Fluid that hides the angle and rises along the wall, with a hollow upper border."""
    rise = {"small": -0.06, "moderate": 0.20, "large": 0.62}[str(found.size)]
    for direction in directions(found):
        base = chest.domes[0] if direction < 0.0 else chest.domes[1]
        outward = np.maximum(np.abs(film.grid.x) - 0.30, 0.0) * (1.0 / 0.4)
        level = base - rise - draw.uniform(0.0, 0.04) - 0.20 * outward * outward
        fluid = ramp(film.grid.y - level, 0.06) * half(film, direction)
        film.tissue = film.tissue + 0.24 * fluid * film.air
        film.opacify(fluid)


def _pneumothorax(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """Gas without markings outside a thin pleural line; the lung within shrinks and grows denser."""
    depth = {"small": 0.11, "moderate": 0.20, "large": 0.36}[str(found.size)] + draw.bell(0.0, 0.02)
    direction = directions(found)[0]
    shrunk = replace(chest, half_width=chest.half_width - 0.7 * depth, apex=chest.apex + 1.3 * depth)
    inner = cage(shrunk, film.grid) - np.abs(film.grid.x)
    side = half(film, direction)
    gas = ramp(-inner, 0.03) * side
    field = ramp(film.air - 0.2, 0.3)
    line = ramp(0.012 - np.abs(inner), 0.026) * side * field
    film.markings = film.markings * (1.0 - gas) + 0.30 * line
    denser = {"small": 0.04, "moderate": 0.12, "large": 0.35}[str(found.size)]
    film.air = film.air * (1.0 - denser * side * (1.0 - gas)) + 0.18 * gas * field * (1.0 - line)


def _consolidation(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """A patch of flooded lung."""
    direction = directions(found)[0]
    place = spot(chest, direction, str(found.zone), draw)
    root = (direction * 0.16 + chest.push, -0.06)
    film.opacify(patch(film.grid, (place[0] - 0.06 * direction, place[1]), root, draw))


def _nodule(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """A round, sharply bordered spot."""
    place = spot(chest, directions(found)[0], str(found.zone), draw)
    size = radius(found.size)
    film.markings = film.markings + 0.50 * ramp(ellipse(film.grid, place, (size, size)), 0.030)


def _mass(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """A large lobed lump."""
    size = radius(found.size)
    place = spot(chest, directions(found)[0], str(found.zone), draw, size)
    film.opacify(0.94 * lump(film.grid, place, size, draw))


def _atelectasis(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """Plates of airless lung; the dome of that side stands higher."""
    direction = directions(found)[0]
    place = spot(chest, direction, str(found.zone), draw)
    film.markings = film.markings + 0.40 * plates(film.grid, place, direction, draw)


def _edema(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """Haze around the hila, then through the lungs, and short level lines at the edges of the bases."""
    grid = film.grid
    strength, reach = {"mild": (0.34, 0.26), "moderate": (0.55, 0.34), "severe": (0.74, 0.46)}[str(found.size)]
    texture = clouds(draw, grid, 7) + 0.7 * clouds(draw, grid, 16)
    haze = np.zeros_like(grid.x)
    for direction in (-1.0, 1.0):
        shape = ellipse(grid, (direction * 0.32 + chest.push, 0.0), (reach, reach * 1.25))
        haze = np.maximum(haze, ramp(shape + 0.06 * texture, 0.30))
    film.opacify(strength * haze * (0.85 + 0.25 * texture))
    inset = cage(chest, grid) - np.abs(grid.x)
    level = grid.y * (1.0 / 0.055)
    lines = ramp(0.17 - np.abs(level - np.rint(level)), 0.2) * ramp(0.13 - inset, 0.04) * ramp(grid.y + 0.02, 0.1)
    film.markings = film.markings + (0.16 + 0.2 * strength) * lines


def _fibrosis(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """A net of lines at the edges and in one zone of both lungs."""
    grid = film.grid
    edge = cage(chest, grid) - np.abs(grid.x)
    where = ramp(grid.y - 0.06, 0.3) if found.zone == "lower" else ramp(-0.30 - grid.y, 0.25)
    where = where * (0.4 + 0.6 * ramp(0.26 - edge, 0.3))
    film.markings = film.markings + 0.30 * net(grid, draw) * where
    film.opacify(0.28 * where)


def _hilar_enlargement(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """A lobed swelling beside the mediastinum."""
    for direction in directions(found):
        centre = (direction * 0.23 + chest.push, -0.06 if direction < 0.0 else -0.11)
        film.opacify(0.80 * hilum_swelling(film.grid, centre, direction, draw))


def _free_air(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """A dark crescent between the diaphragm and the liver, a smaller one on the left."""
    below = film.grid.y - dome(chest, film.grid)
    for direction, deep, wide in ((-1.0, draw.uniform(0.075, 0.10), 0.30), (1.0, 0.055, 0.22)):
        u = (film.grid.x - direction * 0.38) * (1.0 / wide)
        crescent = ramp(below - 0.022, 0.022) * ramp(deep * (1.0 - u * u) + 0.022 - below, 0.03)
        film.tissue = film.tissue * (1.0 - 0.72 * crescent)


def _hiatal_hernia(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """Stomach behind the heart: a round shadow, gas above a level of fluid."""
    centre = (chest.push + draw.bell(0.06, 0.02), chest.floor - draw.uniform(0.12, 0.15))
    size = draw.uniform(0.16, 0.19)
    shape = ellipse(film.grid, centre, (size, 0.9 * size))
    level = centre[1] + 0.1 * size
    film.opacify(ramp(shape, 0.03))
    gas = ramp(shape - 0.03, 0.025) * ramp(level - film.grid.y, 0.02)
    film.tissue = film.tissue * (1.0 - 0.50 * gas) + 0.10 * ramp(shape, 0.03) * (1.0 - gas)


PAINTERS: Mapping[str, Painter] = MappingProxyType(
    {
        "pleural_effusion": _effusion,
        "pneumothorax": _pneumothorax,
        "consolidation": _consolidation,
        "nodule": _nodule,
        "mass": _mass,
        "atelectasis": _atelectasis,
        "edema": _edema,
        "fibrosis": _fibrosis,
        "hilar_enlargement": _hilar_enlargement,
        "free_air": _free_air,
        "hiatal_hernia": _hiatal_hernia,
    }
)
