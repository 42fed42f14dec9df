"""Shapes with soft edges on a grid, drawn with exact arithmetic only.

Sums, products, quotients and square roots of 32-bit floats are rounded the same way by every IEEE machine, unlike
exponentials, sines and matrix products; so the pixels are too. Scalars stay Python floats: a NumPy scalar of 64 bits
would change the precision of the arrays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float32

from closegap.phantom.draw import Draw

Field = Float32[np.ndarray, "h w"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Grid:
    """Coordinates of the pixels in the patient: x to the right of the image, y down, the frame is -1..1.

    Args:
        x: of every pixel.
        y: of every pixel.
        pixel: width of a pixel.
    """

    x: Field
    y: Field
    pixel: float

    @classmethod
    def tilted(cls, size: int, half_tangent: float, zoom: float, right: float, down: float) -> "Grid":
        """The frame of `size` pixels, turned by the angle of that half tangent, enlarged and moved."""
        axis = (np.arange(size, dtype=np.float32) * 2.0 + 1.0) / size - 1.0
        across, along = axis[None, :] - right, axis[:, None] - down
        square = half_tangent * half_tangent
        cosine = (1.0 - square) / ((1.0 + square) * zoom)
        sine = 2.0 * half_tangent / ((1.0 + square) * zoom)
        return cls(across * cosine + along * sine, along * cosine - across * sine, 2.0 / (size * zoom))

    def around(self, points: Sequence[Point], margin: float) -> tuple[slice, slice]:
        """Rows and columns that hold every pixel closer than `margin` to the polygonal line through the points."""
        xs, ys = [x for x, _ in points], [y for _, y in points]
        top, bottom = self.x[0], self.x[-1]  # x and y are linear: their extremes lie on the edges of the frame
        first, last = self.y[:, 0], self.y[:, -1]
        columns = (np.maximum(top, bottom) > min(xs) - margin) & (np.minimum(top, bottom) < max(xs) + margin)
        rows = (np.maximum(first, last) > min(ys) - margin) & (np.minimum(first, last) < max(ys) + margin)
        return _extent(rows), _extent(columns)

    def folded(self) -> "Grid":
        """The right half over both halves, for ellipses that are the same on both sides."""
        return Grid(np.abs(self.x), self.y, self.pixel)

    def part(self, window: tuple[slice, slice]) -> "Grid":
        """Some rows and columns of the grid."""
        return Grid(self.x[window], self.y[window], self.pixel)


def _extent(wanted: Bool[np.ndarray, "n"]) -> slice:
    (places,) = np.nonzero(wanted)
    return slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 0)


def ramp(distance: Field, width: float) -> Field:
    """0 below -width / 2, 1 above width / 2, smooth between."""
    t = distance * (1.0 / width)
    t += 0.5
    np.maximum(t, 0.0, out=t)
    np.minimum(t, 1.0, out=t)
    bend = t * -2.0
    bend += 3.0
    bend *= t
    bend *= t
    return bend


def ellipse(grid: Grid, centre: Point, radii: Point, lean: float = 0.0) -> Field:
    """About the distance to the edge of an ellipse, positive inside.

    Args:
        grid: the pixels.
        centre: x and y.
        radii: horizontal and vertical radius.
        lean: how far to the right the axis moves per step down.
    """
    down = grid.y - centre[1]
    u = (grid.x - centre[0] - lean * down) * (1.0 / radii[0])
    v = down * (1.0 / radii[1])
    return (1.0 - np.sqrt(u * u + v * v)) * min(radii)


def line_distance(grid: Grid, points: Sequence[Point]) -> Field:
    """Distance to the polygonal line through the points."""
    nearest: Field | None = None
    for (x0, y0), (x1, y1) in pairwise(points):
        dx, dy = x1 - x0, y1 - y0
        u, v = grid.x - x0, grid.y - y0
        square = dx * dx + dy * dy
        t = np.minimum(np.maximum(u * (dx / square) + v * (dy / square), 0.0), 1.0)
        u -= t * dx
        v -= t * dy
        distance = u * u + v * v
        nearest = distance if nearest is None else np.minimum(nearest, distance)
    assert nearest is not None
    distance_to_line: Field = np.sqrt(nearest)
    return distance_to_line


def along(grid: Grid, points: Sequence[Point], margin: float, shade: Callable[[Grid, Field], Field]) -> Field:
    """What `shade` makes of the pixels near a line and their distance to it; 0 farther away than `margin`.

    Only the pixels around the line are visited: `shade` must vanish where the distance reaches the margin.
    """
    window = grid.around(points, margin)
    near = grid.part(window)
    field = np.zeros_like(grid.x)
    field[window] = shade(near, line_distance(near, points))
    return field


def stroke(grid: Grid, points: Sequence[Point], width: float) -> Field:
    """A line of that width, 0..1; thinner than a pixel it pales instead of breaking up."""
    soft = 1.3 * grid.pixel
    drawn = max(width, soft)
    strength = min(1.0, width / drawn + 0.25)
    return along(grid, points, drawn + soft, lambda _, away: ramp(0.5 * drawn - away, soft) * strength)


def curve(start: Point, bend: Point, end: Point, pieces: int = 6) -> list[Point]:
    """Points along the quadratic curve from start to end, pulled towards bend."""
    points = []
    for step in range(pieces + 1):
        t = step / pieces
        a, b, c = (1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t
        points.append((a * start[0] + b * bend[0] + c * end[0], a * start[1] + b * bend[1] + c * end[1]))
    return points


def clouds(draw: Draw, grid: Grid, cells: int) -> Field:
    """Smooth random values in [-1, 1] that vary over 1 / cells of the frame."""
    nodes = (cells * 13) // 10 + 2  # the frame is -1..1, a tilted grid stays inside -1.3..1.3
    values = draw.lattice(nodes, nodes).ravel()
    u = np.minimum(np.maximum((grid.x + 1.3) * (0.5 * cells), 0.0), nodes - 1.01)
    v = np.minimum(np.maximum((grid.y + 1.3) * (0.5 * cells), 0.0), nodes - 1.01)
    column, row = u.astype(np.intp), v.astype(np.intp)
    s, t = u - column.astype(np.float32), v - row.astype(np.float32)
    s, t = s * s * (3.0 - 2.0 * s), t * t * (3.0 - 2.0 * t)
    corner = row * nodes + column
    top, bottom = values.take(corner), values.take(corner + nodes)
    top += (values.take(corner + 1) - top) * s
    bottom += (values.take(corner + nodes + 1) - bottom) * s
    result: Field = top + (bottom - top) * t
    return result
