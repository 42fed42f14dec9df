"""A phantom's image: its facts, kept small, and the film they make when it is opened."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from closegap.errors import needs
from closegap.phantom.devices import paint_devices, paint_letters
from closegap.phantom.draw import Draw
from closegap.phantom.film import Film
from closegap.phantom.frontal import (
    draw_chest,
    paint_body,
    paint_breasts,
    paint_lungs,
    paint_mediastinum,
    paint_stomach,
    paint_vessels,
)
from closegap.phantom.lateral_lesions import paint_lateral
from closegap.phantom.lesions import paint_findings
from closegap.phantom.raster import Grid
from closegap.phantom.skeleton import paint_bones
from closegap.phantom.study import Study

with needs("image"):
    from PIL import Image

RENDERER = 1  # raised whenever any pixel of any study changes


@dataclass(frozen=True)
class PhantomImage:
    """The radiograph of a study; an `ImageSource`.

    Args:
        study: what it shows.
        size: width and height in pixels.
    """

    study: Study
    size: int

    def open(self) -> Image.Image:
        """The film, 8 bit grey."""
        return Image.fromarray(render(self.study, self.size))

    def fingerprint(self) -> bytes:
        """The facts, the size and the renderer's version: the pixels are a function of these."""
        return f"phantom {RENDERER} {self.size} {self.study!r}".encode()


def render(study: Study, size: int) -> UInt8[np.ndarray, "size size"]:
    """The radiograph of a study, `size` pixels wide and high, the same on every machine."""
    draw = Draw(study.seed, study.index, f"film {study.view}")
    bedside = study.view == "ap"
    tilt = draw.bell(0.0, 0.045 if bedside else 0.025)  # half the tangent: up to 5 and 3 degrees
    zoom, right = (1.02, -0.06) if study.view == "lateral" else (1.10, 0.0)
    grid = Grid.tilted(size, tilt, draw.bell(zoom, 0.05), draw.bell(right, 0.05), draw.bell(0.0, 0.04))
    film = Film.blank(grid)
    if study.view == "lateral":
        paint_lateral(film, study)
    else:
        _paint_frontal(film, study)
        letter, corner = draw.pick((("R", (-0.80, -0.78)), ("L", (0.72, -0.78))))
        paint_letters(film, letter, corner, 0.11)
        if bedside:
            paint_letters(film, "AP", (corner[0] - 0.04, -0.60), 0.09)
    return film.exposed(
        Draw(study.seed, study.index, f"grain {study.view}"),
        exposure=draw.bell(1.0, 0.25),
        contrast=draw.bell(0.7, 0.12),
    )


def _paint_frontal(film: Film, study: Study) -> None:
    chest = draw_chest(study)
    edema = study.finding("edema")
    paint_body(film, chest)
    if study.sex == "female":
        paint_breasts(film, chest, study.habitus, Draw(study.seed, study.index, "breasts"))
    paint_stomach(film, chest, Draw(study.seed, study.index, "stomach"))
    paint_lungs(film, chest)
    paint_vessels(film, chest, Draw(study.seed, study.index, "vessels"), 1.35 if edema else 1.0)
    paint_mediastinum(film, chest)
    paint_findings(film, chest, study)
    paint_bones(film, chest, study)
    paint_devices(film, chest, study)
