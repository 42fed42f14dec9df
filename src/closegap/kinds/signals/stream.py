"""A file of signals that is open."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True)
class SignalFile:
    """What a file says of its signals, and how to get them.

    Args:
        rate: samples of a lead in a second.
        leads: their names.
        units: what each is in, "" where nobody says; whatever is a voltage is in mV.
        samples: of each lead, that it says it has.
        values: from the first sample and the end of a window to what is in it; fewer where the file has fewer.
    """

    rate: float
    leads: tuple[str, ...]
    units: tuple[str, ...]
    samples: int
    values: Callable[[int, int], Float32[np.ndarray, "leads n"]]
