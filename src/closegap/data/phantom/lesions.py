"""Findings that are painted on a frontal film; those that shape the chest itself are in `frontal.draw_chest`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from closegap.data.phantom.draw import Draw
from closegap.data.phantom.film import Film
from closegap.data.phantom.frontal import Chest, cage, dome
from closegap.data.phantom.raster import Field, Point, clouds, ellipse, line_distance, ramp
from closegap.data.phantom.study import Finding, Study

MM = 1.0 / 185.0  # a millimetre in the patient
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
    line = ramp(0.012 - np.abs(inner), 0.018) * side * field
    film.markings = film.markings * (1.0 - gas) + 0.30 * line
    denser = {"small": 0.04, "moderate": 0.12, "large": 0.35}[str(found.size)]
    film.air = film.air * (1.0 - denser * side * (1.0 - gas)) + 0.18 * gas * field * (1.0 - line)


def _consolidation(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """A patch of flooded lung with a ragged border; the bronchi stay open in it."""
    direction = directions(found)[0]
    centre = spot(chest, direction, str(found.zone), draw)
    centre = (centre[0] - 0.06 * direction, centre[1])
    shape = ellipse(film.grid, centre, (draw.bell(0.24, 0.03), draw.bell(0.18, 0.03)), draw.bell(0.0, 0.3))
    texture = clouds(draw, film.grid, 9)
    cover = ramp(shape + 0.07 * texture, 0.13) * (0.76 + 0.16 * texture)
    root = (direction * 0.16 + chest.push, -0.06)
    for turn in (-0.05, 0.05):
        bronchus = line_distance(film.grid, [root, (centre[0] + turn, centre[1] + turn)])
        cover = cover * (1.0 - 0.5 * ramp(0.012 - bronchus, 0.02))
    film.opacify(cover)


def _nodule(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """A round, sharply bordered spot."""
    radius = 0.5 * MM * float(str(found.size).removesuffix(" mm"))
    place = spot(chest, directions(found)[0], str(found.zone), draw)
    film.markings = film.markings + 0.52 * ramp(ellipse(film.grid, place, (radius, radius)), 0.028)


def _mass(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """A large lobed lump."""
    radius = 0.5 * MM * float(str(found.size).removesuffix(" mm"))
    place = spot(chest, directions(found)[0], str(found.zone), draw, radius)
    shape = ellipse(film.grid, place, (radius, radius * draw.bell(0.9, 0.1)))
    for lobe in ((-0.4, -0.35), (0.45, -0.1), (-0.1, 0.45)):
        at = (place[0] + radius * lobe[0] + draw.bell(0.0, 0.01), place[1] + radius * lobe[1])
        size = radius * draw.uniform(0.55, 0.75)
        shape = np.maximum(shape, ellipse(film.grid, at, (size, size)))
    cover = ramp(shape, 0.035)
    film.tissue = film.tissue + 0.10 * cover * film.air
    film.opacify(0.92 * cover)


def _atelectasis(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """Plates of airless lung: dense bands, level or slightly slanting."""
    direction = directions(found)[0]
    place = spot(chest, direction, str(found.zone), draw)
    for offset, length in ((0.0, 0.22), (0.085, 0.15)):
        y = place[1] + offset - 0.03
        slant = draw.bell(-0.05, 0.04)
        ends = [(place[0] - direction * length, y - slant), (place[0] + direction * 0.7 * length, y + slant)]
        film.markings = film.markings + 0.42 * ramp(0.021 - line_distance(film.grid, ends), 0.024)


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
    """A net of fine and coarse lines, at the edges and in one zone of both lungs."""
    grid = film.grid
    fine, coarse = clouds(draw, grid, 34), clouds(draw, grid, 20)
    net = np.maximum(ramp(0.16 - np.abs(fine), 0.16), ramp(0.13 - np.abs(coarse), 0.13))
    edge = cage(chest, grid) - np.abs(grid.x)
    where = ramp(grid.y - 0.06, 0.3) if found.zone == "lower" else ramp(-0.30 - grid.y, 0.25)
    where = where * (0.4 + 0.6 * ramp(0.26 - edge, 0.3))
    film.markings = film.markings + 0.42 * net * where
    film.opacify(0.22 * where)


def _hilar_enlargement(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """A lobed swelling beside the mediastinum at the height of the hilum."""
    for direction in directions(found):
        height = -0.06 if direction < 0.0 else -0.11
        shape = ellipse(film.grid, (direction * 0.25 + chest.push, height), (0.125, 0.14))
        for lobe in ((0.07, 0.09), (0.06, -0.10)):
            size = draw.uniform(0.065, 0.085)
            at = (direction * (0.25 + lobe[0]) + chest.push, height + lobe[1])
            shape = np.maximum(shape, ellipse(film.grid, at, (size, size)))
        film.opacify(0.80 * ramp(shape, 0.05))


def _free_air(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """A dark crescent between the diaphragm and the liver, a smaller one on the left."""
    below = film.grid.y - dome(chest, film.grid)
    for direction, deep, wide in ((-1.0, draw.uniform(0.075, 0.10), 0.30), (1.0, 0.055, 0.22)):
        u = (film.grid.x - direction * 0.38) * (1.0 / wide)
        crescent = ramp(below - 0.022, 0.022) * ramp(deep * (1.0 - u * u) + 0.022 - below, 0.03)
        film.tissue = film.tissue * (1.0 - 0.62 * crescent)


def _hiatal_hernia(film: Film, chest: Chest, found: Finding, draw: Draw) -> None:
    """Stomach behind the heart: a round shadow, gas above a level of fluid."""
    centre = (chest.push + draw.bell(0.06, 0.02), chest.domes[1] - draw.uniform(0.12, 0.15))
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
