"""A radiograph in the making: what weakens the beam, and how the film answers."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from closegap.phantom.draw import Draw
from closegap.phantom.raster import Field, Grid, ramp

AIR = 0.72  # how much of the tissue's shadow an aerated lung takes away


@dataclass
class Film:
    """Layers that painters change in turn; the film is exposed at the end.

    Args:
        grid: the pixels.
        tissue: shadow of the body wall and organs, 0 outside the patient.
        air: 1 where lung is aerated, 0 elsewhere.
        markings: shadow of the vessels and of what else lies in the aerated lung.
        overlay: shadow of the skeleton and the breasts, which air does not take away.
        metal: shadow of devices and markers.
    """

    grid: Grid
    tissue: Field
    air: Field
    markings: Field
    overlay: Field
    metal: Field

    @classmethod
    def blank(cls, grid: Grid) -> "Film":
        """A film with nobody before it."""
        zero = np.zeros_like(grid.x)
        return cls(grid, zero, zero, zero, zero, zero)

    def opacify(self, cover: Field) -> None:
        """Replace aerated lung by tissue, as far as `cover` (0..1) says."""
        self.air = self.air * (1.0 - cover)

    def exposed(self, draw: Draw, exposure: float, contrast: float) -> UInt8[np.ndarray, "h w"]:
        """Grey values of the film: white where the beam was weakened most."""
        shadow = self.tissue * (1.0 - AIR * self.air) + self.markings * self.air + self.overlay + self.metal
        square = shadow * shadow * exposure
        grey = square * (1.0 + 0.6 * contrast) / (square + contrast)
        rows, columns = grey.shape
        shade = 1.0 - 0.10 * ramp(self.grid.x * self.grid.x + self.grid.y * self.grid.y - 1.1, 1.4)
        noise = draw.grain(rows, columns) * (0.008 + 0.012 * grey)
        grey = grey * shade * 0.95 + 0.02 + noise
        pixels: UInt8[np.ndarray, "h w"] = np.rint(np.minimum(np.maximum(grey, 0.0), 1.0) * 255.0).astype(np.uint8)
        return pixels
