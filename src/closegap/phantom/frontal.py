"""The chest from the front: the patient's right is at the image's left."""

from dataclasses import dataclass

import numpy as np

from closegap.phantom.draw import Draw
from closegap.phantom.film import Film
from closegap.phantom.raster import Field, Grid, along, clouds, curve, ellipse, ramp
from closegap.phantom.shapes import vessel
from closegap.phantom.study import Study

HEART_RATIO = {None: 0.46, "mild": 0.56, "moderate": 0.63, "marked": 0.71}
SPINE_BEND = {None: 0.0, "mild": 0.05, "moderate": 0.09, "severe": 0.14}


@dataclass(frozen=True)
class Chest:
    """Measures of one chest in frames of half-width 1.

    Args:
        half_width: of the rib cage.
        apex: y of the tips of the lungs.
        domes: y of the right and of the left dome of the diaphragm.
        floor: y of what the heart rests on.
        arch: how high the domes are vaulted, 1 is usual.
        heart: width of the heart over the width of the rib cage.
        push: displacement of the mediastinum, to the image's right.
        bend: how far the spine swings to the image's right.
        vessels_width: half-width of the upper mediastinum.
        wall: shadow of the chest wall.
        fat: thickness of the flanks.
        bone: density of the bones.
        ribs: y of the first rib, and the distance between ribs.
    """

    half_width: float
    apex: float
    domes: tuple[float, float]
    floor: float
    arch: float
    heart: float
    push: float
    bend: float
    vessels_width: float
    wall: float
    fat: float
    bone: float
    ribs: tuple[float, float]


def draw_chest(study: Study) -> Chest:
    """The chest of a study, shaped by habitus, view and those findings that change the shape."""
    draw = Draw(study.seed, study.index, "chest")
    bedside = study.view == "ap"
    over = study.finding("hyperinflation") is not None
    heart = study.finding("cardiomegaly")
    bend = study.finding("scoliosis")
    large, slim = study.habitus == "large", study.habitus == "slim"
    ratio = HEART_RATIO[heart.size if heart else None] + (0.02 if bedside else 0.0) - (0.09 if over else 0.0)
    dome = draw.bell(0.42, 0.06) - (0.07 if bedside else 0.0) - (0.03 if large else 0.0) + (0.15 if over else 0.0)
    step = draw.bell(0.05, 0.03)
    plate = study.finding("atelectasis")
    lift = {None: (0.0, 0.0), "right": (-0.05, 0.0), "left": (0.0, -0.05)}[plate.side if plate else None]
    swing = SPINE_BEND[bend.size if bend else None] * (-1.0 if bend and bend.side == "right" else 1.0)
    wide = study.finding("mediastinal_widening") is not None
    return Chest(
        half_width=draw.bell(0.72, 0.04) + (0.02 if study.sex == "male" else -0.02),
        apex=draw.bell(-0.76, 0.04) - (0.04 if over else 0.0),
        domes=(dome + lift[0], dome + step + lift[1]),
        floor=dome + step,
        arch=draw.bell(1.0, 0.2) * (0.35 if over else 1.0),
        heart=ratio + draw.bell(0.0, 0.02),
        push=_push(study) + draw.bell(0.0, 0.015),
        bend=swing,
        vessels_width=(0.27 if wide else 0.125) + draw.bell(0.0, 0.015) + (0.01 if bedside else 0.0),
        wall=draw.bell(0.74, 0.05) + (0.13 if large else -0.10 if slim else 0.0),
        fat=0.06 + (0.09 if large else -0.03 if slim else 0.0) + draw.uniform(0.0, 0.03),
        bone=draw.bell(0.15, 0.04),
        ribs=(draw.bell(-0.72, 0.03), draw.bell(0.168, 0.008) + (0.012 if over else 0.0)),
    )


def _push(study: Study) -> float:
    """Where large effusions and pneumothoraces push the mediastinum: away from their side."""
    for name in ("pneumothorax", "pleural_effusion"):
        found = study.finding(name)
        if found is not None and found.size == "large" and found.side != "bilateral":
            return 0.09 if found.side == "right" else -0.09
    return 0.0


def midline(chest: Chest, grid: Grid) -> Field:
    """Distance from the spine's axis, which a scoliosis bends."""
    up = grid.y - 0.05
    return grid.x - chest.bend * (1.0 - 2.2 * up * up)


def cage(chest: Chest, grid: Grid) -> Field:
    """Half-width of the rib cage at the height of each pixel."""
    above = np.minimum(grid.y - 0.34, 0.0) * (1.0 / (0.34 - chest.apex))
    square = above * above
    return chest.half_width * np.sqrt(np.maximum(1.0 - 0.45 * square - 0.55 * square * square, 0.0))


def dome(chest: Chest, grid: Grid) -> Field:
    """Height y of the diaphragm at each pixel's x."""
    u: Field = (np.abs(grid.x) - 0.36) * (1.0 / 0.36)
    square = u * u
    left = grid.x > 0.0
    level: Field = np.where(left, np.float32(chest.domes[1]), np.float32(chest.domes[0]))
    height: Field = level + chest.arch * (0.07 * square + 0.13 * square * square * ramp(u, 0.6))
    return height


def paint_body(film: Film, chest: Chest) -> None:
    """Trunk, shoulders and neck, and the abdomen below."""
    grid = film.grid
    reach = np.abs(grid.x)
    out = np.maximum(reach - 0.2, 0.0)
    top = -1.12 + 0.20 * ramp(reach - 0.24, 0.16) + 0.14 * out + 0.20 * out * out
    flank = chest.half_width + chest.fat + 0.03 + 0.6 * ramp(-0.22 - grid.y, 0.45)
    inside = ramp(np.minimum(grid.y - top, flank - reach), 0.035)
    depth = 1.0 - 0.28 * grid.x * grid.x
    belly = 0.22 * ramp(grid.y - dome(chest, grid), 0.1) + 0.05 * ramp(grid.y - 0.6, 0.5)
    film.tissue = inside * (chest.wall * depth + belly)


def paint_breasts(film: Film, chest: Chest, habitus: str, draw: Draw) -> None:
    """Two shadows over the lower lungs with a rounded lower border."""
    weight = {"slim": 0.08, "average": 0.11, "large": 0.15}[habitus]
    size = draw.uniform(0.25, 0.28) + 0.3 * weight
    shape = ellipse(film.grid.folded(), (0.43, 0.14 + 0.6 * weight), (size, size * 0.95), 0.15)
    film.overlay = film.overlay + weight * ramp(shape, 0.05) * ramp(film.grid.y + 0.12, 0.35)


def paint_stomach(film: Film, chest: Chest, draw: Draw) -> None:
    """The bubble of gas under the left dome."""
    size = draw.uniform(0.07, 0.13)
    bubble = ellipse(film.grid, (draw.bell(0.30, 0.04), chest.domes[1] + 0.06 + 0.75 * size), (size, 0.7 * size))
    film.tissue = film.tissue * (1.0 - draw.uniform(0.10, 0.35) * ramp(bubble, 0.05))


def paint_lungs(film: Film, chest: Chest) -> None:
    """Air between the ribs, the mediastinum and the diaphragm."""
    grid = film.grid
    reach = np.abs(grid.x)
    above = np.maximum(-0.35 - grid.y, 0.0)
    medial = 0.10 + 0.75 * above * above
    wide = cage(chest, grid)
    edge = np.minimum(np.minimum(wide - reach, reach - medial), 1.4 * (dome(chest, grid) - grid.y))
    lungs = ramp(edge, 0.05)
    thick = 0.80 + 0.20 * ramp(wide - reach - 0.12, 0.3)
    film.air = lungs * thick * (0.93 + 0.07 * ramp(-0.1 - grid.y, 0.8))


def paint_vessels(film: Film, chest: Chest, draw: Draw, fullness: float) -> None:
    """Arteries and veins that fan out from the hila and thin towards the edge, and a fine texture."""
    grid = film.grid
    shadow = np.zeros_like(grid.x)
    for side in (-1.0, 1.0):
        height = -0.06 if side < 0.0 else -0.10
        for slope in (-1.6, -1.0, -0.5, 0.0, 0.45, 1.0, 1.6):
            root = (side * 0.17 + chest.push, height + 0.06 * slope)
            run = draw.uniform(0.36, 0.5) / (1.0 + 0.3 * abs(slope))
            tip = (root[0] + side * run, root[1] + slope * run + draw.bell(0.0, 0.09))
            bend = (root[0] + side * run * 0.45, root[1] + slope * run * 0.7 + draw.bell(0.0, 0.07))
            branch = vessel(grid, curve(root, bend, tip, 2), fullness)
            shadow = np.maximum(shadow, branch)
    film.markings = film.markings + 0.26 * fullness * shadow + 0.07 * clouds(draw, grid, 18)


def paint_mediastinum(film: Film, chest: Chest) -> None:
    """Heart, great vessels, aortic arch, hila; the windpipe's air."""
    grid = film.grid
    push = chest.push
    span = chest.heart * chest.half_width
    right, left = 0.36 * span, 0.64 * span  # shares of the heart's half-widths on either side of the midline
    low = chest.floor + 0.02
    tall = 0.20 + 0.30 * span
    centre = push + left - right
    body = ellipse(grid, (centre, low - 0.62 * tall), (0.92 * (left + right), tall), 0.35)
    atrium = ellipse(grid, (push - 0.25 * right, low - 0.85 * tall), (right * 1.22, tall * 1.1))
    trunk = ellipse(grid, (push + 0.10, -0.13), (0.10, 0.17), 0.15)
    knob = ellipse(grid, (push + chest.vessels_width - 0.03, -0.32), (0.09, 0.10))
    upper = chest.vessels_width + 0.25 * np.maximum(-0.45 - grid.y, 0.0) - np.abs(grid.x - push - 0.01)
    upper = np.minimum(upper, 0.15 - grid.y)
    heart = np.maximum(body, atrium)
    cover = ramp(np.maximum(np.maximum(heart, 1.2 * trunk), np.maximum(1.7 * knob, 1.2 * upper)), 0.06)
    film.opacify(0.96 * cover)
    film.tissue = film.tissue + 0.20 * ramp(np.maximum(heart, 0.3 * upper), 0.06) * ramp(film.tissue - 0.3, 0.4)
    for side in (-1.0, 1.0):
        hilum = ellipse(grid, (push + side * 0.185, -0.06 if side < 0.0 else -0.10), (0.06, 0.12), 0.2 * side)
        film.markings = film.markings + 0.20 * ramp(hilum, 0.10)
    windpipe = ramp(0.036 - np.abs(midline(chest, grid) - 0.6 * push), 0.03) * ramp(-0.22 - grid.y, 0.06)
    for side in (-1.0, 1.0):
        bronchus = [(push, -0.23), (push + side * 0.13, -0.10)]
        windpipe = np.maximum(windpipe, along(grid, bronchus, 0.04, lambda _, away: 0.7 * ramp(0.026 - away, 0.025)))
    film.tissue = film.tissue * (1.0 - 0.26 * windpipe)
