"""The chest from the side: the breast bone is at the image's left, the spine at its right."""

from dataclasses import dataclass

import numpy as np

from closegap.phantom.draw import Draw
from closegap.phantom.film import Film
from closegap.phantom.frontal import HEART_RATIO
from closegap.phantom.raster import Field, Grid, along, clouds, curve, ellipse, ramp
from closegap.phantom.shapes import vessel
from closegap.phantom.study import Study


@dataclass(frozen=True)
class Profile:
    """Measures of one chest from the side.

    Args:
        depth: how much deeper than usual the chest is, from breast bone to spine.
        dome: y of the top of the diaphragm.
        arch: how steeply the diaphragm falls, 1 is usual.
        heart: size of the heart, 1 is usual.
        wall: shadow of the chest wall.
        fat: thickness of the layer under the skin.
        bone: density of the bones.
        level: y of one vertebra.
    """

    depth: float
    dome: float
    arch: float
    heart: float
    wall: float
    fat: float
    bone: float
    level: float


def draw_profile(study: Study) -> Profile:
    """The chest of a study from the side."""
    draw = Draw(study.seed, study.index, "profile")
    over = study.finding("hyperinflation") is not None
    heart = study.finding("cardiomegaly")
    large, slim = study.habitus == "large", study.habitus == "slim"
    return Profile(
        depth=draw.bell(0.0, 0.03) + (0.09 if over else 0.0) + (0.03 if large else -0.03 if slim else 0.0),
        dome=draw.bell(0.34, 0.05) + (0.14 if over else 0.0),
        arch=draw.bell(1.0, 0.12) * (0.45 if over else 1.0),
        heart=HEART_RATIO[heart.size if heart else None] / 0.46 - (0.12 if over else 0.0) + draw.bell(0.0, 0.04),
        wall=draw.bell(0.72, 0.05) + (0.14 if large else -0.10 if slim else 0.0),
        fat=0.05 + (0.07 if large else -0.02 if slim else 0.0),
        bone=draw.bell(0.16, 0.04),
        level=draw.uniform(0.0, 0.15),
    )


def front(profile: Profile, grid: Grid) -> Field:
    """The inner face of the breast bone, x at each height."""
    low = np.minimum(np.maximum(grid.y + 0.75, 0.0), 1.1)
    return -0.10 - profile.depth - 0.74 * low + 0.38 * low * low


def back(profile: Profile, grid: Grid) -> Field:
    """The inner face of the hind ribs, x at each height."""
    off = grid.y + 0.05
    return 0.62 + profile.depth - 0.34 * off * off


def diaphragm(profile: Profile, grid: Grid) -> Field:
    """Height y of the diaphragm at each pixel's x: it falls steeply to the recess behind."""
    behind = np.maximum(grid.x + 0.18, 0.0)
    ahead = np.maximum(-0.18 - grid.x, 0.0)
    return profile.dome + profile.arch * (0.55 * behind * behind + 0.7 * ahead * ahead)


def paint_anatomy(film: Film, profile: Profile, study: Study) -> None:
    """Body, lungs, heart, great vessels and bones of a lateral film."""
    draw = Draw(study.seed, study.index, "side")
    _paint_body(film, profile, study, draw)
    _paint_lung(film, profile, draw, 1.3 if study.finding("edema") else 1.0)
    _paint_heart(film, profile)
    _paint_bones(film, profile)


def _paint_body(film: Film, profile: Profile, study: Study, draw: Draw) -> None:
    grid = film.grid
    ahead = front(profile, grid) - 0.09 - profile.fat - 0.5 * np.maximum(grid.y - 0.45, 0.0) * profile.fat
    behind = back(profile, grid) + 0.13 + profile.fat
    inside = np.minimum(grid.x - ahead, behind - grid.x)
    arms = ramp(ellipse(grid, (0.02, -1.0), (0.62, 0.42)), 0.2)
    inside = ramp(np.maximum(inside, ellipse(grid, (0.0, -1.0), (0.60, 0.40))), 0.03)
    belly = 0.24 * ramp(grid.y - diaphragm(profile, grid), 0.1)
    film.tissue = inside * (profile.wall + belly + 0.28 * arms)
    if study.sex == "female":
        weight = {"slim": 0.06, "average": 0.09, "large": 0.13}[study.habitus]
        at = (-0.50 - profile.depth - 0.5 * profile.fat, 0.02 + weight)
        breast = ramp(ellipse(grid, at, (0.14 + weight, 0.20 + weight), 0.12), 0.04)
        film.tissue = np.maximum(film.tissue, 0.42 * breast) + 0.6 * weight * breast * ramp(film.tissue - 0.2, 0.2)
    size = draw.uniform(0.07, 0.11)
    bubble = ellipse(grid, (draw.bell(-0.05, 0.04), profile.dome + 0.13 + 0.5 * size), (1.4 * size, size))
    film.tissue = film.tissue * (1.0 - draw.uniform(0.10, 0.30) * ramp(bubble, 0.05))


def _paint_lung(film: Film, profile: Profile, draw: Draw, fullness: float) -> None:
    grid = film.grid
    ahead, behind = front(profile, grid), back(profile, grid)
    top = ellipse(grid, (0.20, 0.15), (0.70, 0.90))
    inside = ramp(grid.x - ahead - 0.03, 0.05) * ramp(behind - grid.x, 0.05) * ramp(top, 0.08)
    film.air = inside * ramp(diaphragm(profile, grid) - grid.y, 0.03) * (0.90 + 0.10 * ramp(grid.y + 0.2, 0.5))
    shadow = np.zeros_like(grid.x)
    root = (0.06, -0.10)
    for right, down in ((-0.35, -0.25), (-0.05, -0.42), (0.28, -0.30), (0.40, 0.05), (0.34, 0.38), (0.14, 0.44)):
        tip = (root[0] + right + draw.bell(0.0, 0.06), root[1] + down + draw.bell(0.0, 0.06))
        bend = (root[0] + 0.5 * right + draw.bell(0.0, 0.05), root[1] + 0.5 * down + draw.bell(0.0, 0.05))
        shadow = np.maximum(shadow, vessel(grid, curve(root, bend, tip, 2), 1.1 * fullness))
    hilum = ramp(ellipse(grid, root, (0.10, 0.12)), 0.10)
    film.markings = 0.24 * fullness * shadow + 0.26 * hilum + 0.07 * clouds(draw, grid, 14)


def _paint_heart(film: Film, profile: Profile) -> None:
    grid = film.grid
    size = profile.heart
    centre = (-0.20 - 0.4 * profile.depth, profile.dome - 0.17 * size)
    heart = ramp(ellipse(grid, centre, (0.27 * size, 0.29 * size), -0.35), 0.06)
    arch = [*curve((-0.20, -0.10), (-0.10, -0.62), (0.26, -0.42), 5), (0.38, 0.30)]
    aorta = along(grid, arch, 0.1, lambda _, away: 0.30 * ramp(0.065 - away, 0.05))
    film.opacify(np.maximum(0.86 * heart, aorta))
    windpipe = along(grid, [(-0.02, -1.2), (0.05, -0.20)], 0.06, lambda _, away: 0.26 * ramp(0.04 - away, 0.03))
    film.tissue = film.tissue * (1.0 - windpipe) + 0.08 * heart


def _paint_bones(film: Film, profile: Profile) -> None:
    grid = film.grid
    body = ramp(film.tissue - 0.25, 0.3)
    off = np.abs(grid.x - (back(profile, grid) - 0.10))
    level = (grid.y - profile.level) * (1.0 / 0.148)
    place = np.abs(level - np.rint(level))
    vertebrae = ramp(0.085 - off, 0.03) * ramp(0.40 - place, 0.10) * (0.8 + 0.35 * ramp(place - 0.28, 0.1))
    arches = 0.5 * ramp(0.05 - np.abs(off - 0.13), 0.06) * ramp(grid.x - back(profile, grid) + 0.1, 0.04)
    across = grid.x - 0.5
    slope = (grid.y + 0.35 * across - 0.55 * across * across) * (1.0 / 0.17)
    offset = np.abs(slope - np.rint(slope))
    cage = ramp(grid.x - front(profile, grid), 0.2) * ramp(back(profile, grid) + 0.04 - grid.x, 0.04)
    cage = cage * ramp(grid.y + 0.72, 0.2) * (1.0 - 0.4 * ramp(grid.y - 0.5, 0.2))
    ribs = ramp(0.17 - offset, 0.14) * (0.6 + 0.5 * ramp(offset - 0.08, 0.1))
    ribs = ribs * cage * (0.50 + 0.45 * ramp(across + 0.2, 0.6))
    sternum = ramp(0.026 - np.abs(grid.x - front(profile, grid) + 0.015), 0.02) * ramp(grid.y + 0.62, 0.06)
    sternum = sternum * ramp(0.32 - grid.y, 0.06)
    film.overlay = film.overlay + profile.bone * body * (vertebrae + arches + ribs + 0.9 * sternum)
