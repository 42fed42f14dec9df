"""Shapes of lesions that look alike from the front and from the side."""

import numpy as np

from closegap.phantom.draw import Draw
from closegap.phantom.raster import Field, Grid, Point, along, clouds, ellipse, ramp

MM = 1.0 / 185.0  # a millimetre in the patient


def radius(size: str | None) -> float:
    """Half of a diameter given as "20 mm", in frames."""
    return 0.5 * MM * float(str(size).removesuffix(" mm"))


def patch(grid: Grid, centre: Point, root: Point, draw: Draw) -> Field:
    """Cover of a flooded part of lung: ragged border, open bronchi that come from `root`."""
    shape = ellipse(grid, centre, (draw.bell(0.26, 0.03), draw.bell(0.19, 0.03)), draw.bell(0.0, 0.3))
    texture = clouds(draw, grid, 9)
    cover = ramp(shape + 0.06 * texture, 0.12) * (0.90 + 0.10 * texture)
    for turn in (-0.05, 0.05):
        bronchus = [root, (centre[0] + turn, centre[1] + turn)]
        cover = cover * (1.0 - along(grid, bronchus, 0.03, lambda _, away: 0.4 * ramp(0.012 - away, 0.02)))
    return cover


def lump(grid: Grid, centre: Point, size: float, draw: Draw) -> Field:
    """Cover of a lobed mass of about that radius."""
    shape = ellipse(grid, centre, (size, size * draw.bell(0.9, 0.1)))
    for right, down in ((-0.4, -0.35), (0.45, -0.1), (-0.1, 0.45)):
        lobe = size * draw.uniform(0.55, 0.75)
        at = (centre[0] + size * right + draw.bell(0.0, 0.01), centre[1] + size * down)
        shape = np.maximum(shape, ellipse(grid, at, (lobe, lobe)))
    return ramp(shape, 0.05)


def hilum_swelling(grid: Grid, centre: Point, outward: float, draw: Draw) -> Field:
    """Cover of enlarged vessels or nodes at a hilum, lobed towards `outward` (a sign of x)."""
    shape = ellipse(grid, centre, (0.105, 0.155))
    lobe = draw.uniform(0.095, 0.110)
    at = (centre[0] + outward * 0.045, centre[1] + draw.bell(0.02, 0.03))
    shape = np.maximum(shape, ellipse(grid, at, (lobe, lobe)))
    return ramp(shape, 0.08)


def net(grid: Grid, draw: Draw) -> Field:
    """Fine and coarse curved lines that cross."""
    fine, coarse = clouds(draw, grid, 32), clouds(draw, grid, 20)
    lines: Field = np.maximum(ramp(0.14 - np.abs(fine), 0.2), 0.8 * ramp(0.10 - np.abs(coarse), 0.16))
    return lines


def plates(grid: Grid, centre: Point, outward: float, draw: Draw) -> Field:
    """Two dense bands, nearly level."""
    total = np.zeros_like(grid.x)
    for offset, length in ((0.0, 0.22), (0.085, 0.15)):
        y = centre[1] + offset - 0.03
        slant = draw.bell(-0.05, 0.04)
        ends = [(centre[0] - outward * length, y - slant), (centre[0] + outward * 0.7 * length, y + slant)]
        total = np.maximum(total, along(grid, ends, 0.04, lambda _, away: ramp(0.021 - away, 0.026)))
    return total


def vessel(grid: Grid, points: list[Point], fullness: float) -> Field:
    """A blood vessel that thins and pales away from its first point."""

    def shade(near: Grid, away: Field) -> Field:
        run = np.abs(near.x - points[0][0]) + np.abs(near.y - points[0][1])
        width = np.maximum(0.022 * fullness - 0.030 * run, 0.003)
        return ramp(width - away, 0.028) * np.maximum(1.0 - 1.2 * run, 0.2)

    return along(grid, points, 0.022 * fullness + 0.014, shade)
