"""The window through which a DICOM picture is looked at."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from jaxtyping import Float

from closegap.errors import needs

with needs("dicom"):
    from pydicom import Dataset


@dataclass(frozen=True)
class Window:
    """From values to grey levels.

    Reference:
        DICOM PS3.3, C.11.2.1.2 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT).

    Args:
        centre: the value in its middle.
        width: how many values it spans; above 1, or of the two other functions above 0.
        function: LINEAR, LINEAR_EXACT or SIGMOID.
    """

    centre: float
    width: float
    function: str = "LINEAR"

    def levels(self, values: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
        """Levels from 0 to 255, rounded.

        Example:
            >>> Window(40, 400).levels(np.array([[-200.0, -160.0, 39.5, 240.0]]))
            array([[  0.,   0., 128., 255.]])
        """
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):
                shares = 1 / (1 + np.exp(-4 * (values - self.centre) / self.width))
        elif self.function == "LINEAR_EXACT":
            shares = (values - self.centre) / self.width + 0.5
        else:
            shares = (values - (self.centre - 0.5)) / (self.width - 1) + 0.5
        found: Float[np.ndarray, "height width"] = np.rint(255 * np.clip(shares, 0, 1))
        return found


def window_of(dataset: Dataset) -> Window | None:
    """The first window of a data set; None where it has none that can be looked through."""
    centre, width = (_first(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or not isfinite(centre) or not isfinite(width):
        return None
    function = str(dataset.get("VOILUTFunction") or "LINEAR")
    return Window(centre, width, function) if width > (1 if function == "LINEAR" else 0) else None


def _first(value: Any) -> float | None:
    values = [value] if isinstance(value, int | float | str) else list(value or ())
    try:
        return float(values[0]) if values else None
    except (TypeError, ValueError):
        return None
