"""The bones of a chest seen from the front."""

import numpy as np

from closegap.phantom.draw import Draw
from closegap.phantom.film import Film
from closegap.phantom.frontal import Chest, cage, midline
from closegap.phantom.raster import Field, Grid, Point, along, curve, ellipse, ramp
from closegap.phantom.study import Study

BREAK_HEIGHT = {"upper": -0.36, "mid": -0.04, "lower": 0.28}


def paint_bones(film: Film, chest: Chest, study: Study) -> None:
    """Spine, ribs, collar bones and shoulder blades."""
    body = ramp(film.tissue - 0.25, 0.3)
    pale = 1.0 - 0.35 * ramp(film.grid.y - 0.5, 0.2)
    shadow = _spine(film, chest) + _ribs(film, chest, _break(chest, study))
    film.overlay = film.overlay + chest.bone * body * (
        shadow * pale + _shoulders(film, Draw(study.seed, study.index, "shoulders"))
    )


def _break(chest: Chest, study: Study) -> Point | None:
    """Where a rib is broken: near the edge of the cage, at the height of the zone."""
    broken = study.finding("rib_fracture")
    if broken is None:
        return None
    draw = Draw(study.seed, study.index, "rib_fracture")
    side = 1.0 if broken.side == "left" else -1.0
    return side * chest.half_width * draw.uniform(0.70, 0.78), BREAK_HEIGHT[str(broken.zone)] + draw.bell(0.0, 0.04)


def _band(position: Field, half: float) -> Field:
    """Periodic bands around the whole numbers, denser at their rims like a hollow bone."""
    offset = np.abs(position - np.rint(position))
    return ramp(half - offset, 0.12) * (0.72 + 0.42 * ramp(offset - 0.55 * half, 0.10))


def _ribs(film: Film, chest: Chest, fracture: Point | None) -> Field:
    """Ten ribs on each side: their hind parts nearly level, their front parts sloping down to the middle."""
    grid = film.grid
    reach = np.abs(grid.x)
    first, step = chest.ribs
    wide = cage(chest, grid)
    out = reach - 0.14
    hind = (grid.y - first - 0.42 * out * out) * (1.0 / step)
    fore = (grid.y - first - 0.16 - 0.62 * (chest.half_width - reach)) * (1.0 / step)
    if fracture is not None:  # the outer piece stands higher
        beyond = ramp((grid.x - fracture[0]) * (1.0 if fracture[0] > 0.0 else -1.0), 0.02)
        hind = hind - 0.45 * beyond * ramp(ellipse(grid, fracture, (0.17, 0.085)), 0.03)
    inside = ramp(wide + 0.035 - reach, 0.03) * ramp(grid.y - chest.apex - 0.02, 0.05)
    rim = 0.35 * inside * ramp(reach - wide + 0.02, 0.04)
    back = _band(hind, 0.20) * ramp(reach - 0.07, 0.05) * ramp(9.4 - hind, 0.4)
    front = _band(fore, 0.22) * ramp(reach - 0.30, 0.16) * ramp(6.4 - fore, 0.4) * ramp(fore + 0.4, 0.4)
    ribs: Field = inside * (back + 0.62 * front) + rim * np.minimum(back + front + 0.2, 1.0)
    if fracture is None:
        return ribs
    near = ellipse(grid, fracture, (0.17, 0.085))
    gap = 1.0 - ramp(0.026 - np.abs(grid.x - fracture[0]), 0.02) * ramp(near, 0.04)
    swelling = ramp(ellipse(grid, fracture, (0.10, 0.07)), 0.08)
    broken: Field = ribs * gap * (1.0 + 1.1 * ramp(near, 0.05)) + 0.8 * swelling
    return broken


def _spine(film: Film, chest: Chest) -> Field:
    """Vertebral bodies with the discs between them, and their spinous processes."""
    grid = film.grid
    off: Field = np.abs(midline(chest, grid))
    level = (grid.y + 0.02) * (1.0 / 0.128)
    inside: Field = np.abs(level - np.rint(level))
    column = ramp(0.082 - off, 0.03)
    bodies = ramp(0.42 - inside, 0.12)
    pedicles = ramp(0.020 - np.abs(off - 0.055), 0.02) * ramp(0.17 - np.abs(inside - 0.12), 0.1)
    process = ramp(0.014 - off, 0.015) * ramp(inside - 0.26, 0.2)
    shadow: Field = column * (0.70 + 0.45 * bodies) + 0.45 * pedicles + 0.35 * process
    return shadow


def _shoulders(film: Film, draw: Draw) -> Field:
    """Collar bones, shoulder blades and the heads of the upper arms."""
    grid = film.grid.folded()
    rise = draw.bell(0.0, 0.03)
    inner = curve((0.07, -0.50), (0.30, -0.55 + rise), (0.48, -0.66 + rise), 4)
    outer = curve((0.48, -0.66 + rise), (0.62, -0.74 + rise), (0.86, -0.70 + rise), 4)
    blade = ellipse(grid, (0.78, -0.30), (0.20, 0.36), -0.28)
    edge = ramp(0.016 - np.abs(blade), 0.02) * ramp(0.74 - grid.x, 0.1)
    head = ellipse(grid, (0.97, -0.47), (0.14, 0.15))
    rim = ramp(0.02 - np.abs(head), 0.02)
    left = inner + outer[1:]
    right = [(-x, y) for x, y in left]
    collar = along(film.grid, left, 0.06, _collar) + along(film.grid, right, 0.06, _collar)
    shadow: Field = 1.05 * collar + 0.30 * ramp(blade, 0.05) + 0.35 * edge + 0.6 * ramp(head, 0.04) + 0.3 * rim
    return shadow


def _collar(near: Grid, away: Field) -> Field:
    thick: Field = 0.030 + 0.012 * ramp(0.14 - np.abs(near.x), 0.1)
    return ramp(thick - away, 0.018) * (0.75 + 0.5 * ramp(away - 0.014, 0.014))
