"""Tubes, lines, pacemakers and the technician's letters, seen from the front."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from closegap.phantom.draw import Draw
from closegap.phantom.film import Film
from closegap.phantom.frontal import Chest
from closegap.phantom.raster import Point, curve, ellipse, ramp, stroke
from closegap.phantom.study import Finding, Study

LETTERS: Mapping[str, tuple[tuple[Point, ...], ...]] = MappingProxyType(
    {  # strokes in a box one high and .6 wide
        "A": (((0.0, 1.0), (0.3, 0.0), (0.6, 1.0)), ((0.1, 0.65), (0.5, 0.65))),
        "L": (((0.0, 0.0), (0.0, 1.0), (0.6, 1.0)),),
        "P": (((0.0, 1.0), (0.0, 0.0), (0.5, 0.0), (0.6, 0.25), (0.5, 0.5), (0.0, 0.5)),),
        "R": (((0.0, 1.0), (0.0, 0.0), (0.5, 0.0), (0.6, 0.25), (0.5, 0.5), (0.0, 0.5)), ((0.25, 0.5), (0.6, 1.0))),
    }
)


def paint_devices(film: Film, chest: Chest, study: Study) -> None:
    """Paint every device, each with random values of its own."""
    for device in study.devices:
        _PAINTERS[device.name](film, chest, device, Draw(study.seed, study.index, device.name))


def paint_letters(film: Film, text: str, corner: Point, height: float) -> None:
    """Write letters of lead from that corner on."""
    for place, letter in enumerate(text):
        left = corner[0] + 0.85 * height * place
        for line in LETTERS[letter]:
            points = [(left + height * x, corner[1] + height * y) for x, y in line]
            film.metal = film.metal + 0.9 * stroke(film.grid, points, 0.02)


def _tube(film: Film, points: list[Point], width: float, shadow: float) -> None:
    film.metal = film.metal + shadow * stroke(film.grid, points, width)


def _endotracheal(film: Film, chest: Chest, device: Finding, draw: Draw) -> None:
    tip = draw.uniform(-0.36, -0.30)
    bend = 0.5 * chest.push + chest.bend * 0.3
    _tube(film, [(bend - 0.02, -1.3), (bend + 0.005, -0.7), (chest.push * 0.7, tip)], 0.030, 0.34)


def _nasogastric(film: Film, chest: Chest, device: Finding, draw: Draw) -> None:
    gullet = [(0.045, -1.3), (chest.push + 0.05, -0.3), (chest.push + 0.03, 0.25)]
    stomach = curve((chest.push + 0.03, 0.25), (0.12, chest.domes[1] + 0.16), (0.36, chest.domes[1] + 0.17), 4)
    _tube(film, gullet + stomach[1:], 0.022, 0.34)


def _central_line(film: Film, chest: Chest, device: Finding, draw: Draw) -> None:
    end = (chest.push - 0.085, draw.uniform(-0.14, -0.02))
    if device.side == "right":
        points = [*curve((-0.30, -1.2), (-0.20, -0.75), (chest.push - 0.09, -0.45), 4), end]
    else:
        points = [*curve((0.62, -0.55), (0.30, -0.72), (0.05, -0.42), 4), (chest.push - 0.075, -0.30), end]
    _tube(film, points, 0.016, 0.42)


def _pacemaker(film: Film, chest: Chest, device: Finding, draw: Draw) -> None:
    side = -1.0 if device.side == "right" else 1.0
    place = (side * draw.uniform(0.58, 0.63), draw.uniform(-0.50, -0.44))
    film.metal = film.metal + 1.1 * ramp(ellipse(film.grid, place, (0.115, 0.095), 0.1 * side), 0.02)
    vein = curve((place[0], place[1] - 0.08), (side * 0.32, -0.72), (chest.push - 0.05, -0.40), 4)
    ventricle = curve(
        (chest.push - 0.08, -0.05), (chest.push - 0.16, chest.floor - 0.02), (chest.push + 0.20, chest.floor - 0.08), 4
    )
    _tube(film, vein + ventricle, 0.018, 0.5)
    _tube(film, curve((chest.push - 0.06, -0.30), (chest.push - 0.09, 0.10), (chest.push - 0.17, 0.02), 3), 0.018, 0.5)


def _chest_tube(film: Film, chest: Chest, device: Finding, draw: Draw) -> None:
    side = -1.0 if device.side == "right" else 1.0
    entry = draw.uniform(0.10, 0.18)
    path = curve((side * (chest.half_width + 0.2), entry + 0.06), (side * 0.36, entry), (side * 0.34, -0.42), 6)
    _tube(film, path, 0.042, 0.20)
    _tube(film, path, 0.014, 0.22)


_PAINTERS: Mapping[str, Callable[[Film, Chest, Finding, Draw], None]] = MappingProxyType(
    {
        "endotracheal_tube": _endotracheal,
        "nasogastric_tube": _nasogastric,
        "central_line": _central_line,
        "pacemaker": _pacemaker,
        "chest_tube": _chest_tube,
    }
)
