"""How a signal is sampled."""

from dataclasses import dataclass
from typing import Literal

from closegap.bounds import Hertz, NonNegativeFloat, PositiveFloat
from closegap.checked import check_fields
from closegap.errors import UsageError


@dataclass(frozen=True)
class Sampling:
    """Which part of a signal is taken, which leads of it, and what is done to them before anybody sees them.

    Args:
        rate: samples of a lead in a second, to which all is resampled; the signal's own by default.
        leads: by name, in this order, however they are capitalised; all as they come by default.
        missing: a lead that the signal lacks is "refused", or a row of NaN ("nan").
        offset: seconds that are left out at the beginning.
        duration: seconds from there on; the rest by default, of at most an hour, or 100,000 samples of a lead.
        scale: "recorded" leaves values as they are, "centred" takes each lead's median from it, "standard" gives it
            mean 0 and deviation 1.
        gaps: samples that were not recorded stay NaN ("kept"), are drawn as a line ("interpolated"), or are "zero".
        file_rate: rate of files that do not say theirs: NPY, and CSV without a column of times.
        file_leads: leads of such files that do not name them, in order; numbers from 1 by default.
        file_unit: what the values of such files are in, such as mV.

    Raises:
        UsageError: a setting out of its bounds, or a lead that is named twice.
    """

    rate: Hertz | None = None
    leads: tuple[str, ...] | None = None
    missing: Literal["refused", "nan"] = "refused"
    offset: NonNegativeFloat = 0.0
    duration: PositiveFloat | None = None
    scale: Literal["recorded", "centred", "standard"] = "recorded"
    gaps: Literal["kept", "interpolated", "zero"] = "kept"
    file_rate: Hertz | None = None
    file_leads: tuple[str, ...] | None = None
    file_unit: str = ""

    def __post_init__(self) -> None:
        for name in ("leads", "file_leads"):
            given = getattr(self, name)
            object.__setattr__(self, name, tuple(given) if isinstance(given, list) else given)
        check_fields(self)
        for name in ("leads", "file_leads"):
            given = [lead.casefold() for lead in getattr(self, name) or ()]
            if getattr(self, name) is not None and (not given or len(set(given)) < len(given)):
                raise UsageError(f"{name}: {getattr(self, name)} given, expected at least one, each once")

    def __str__(self) -> str:
        """What differs from a signal taken whole and as it is; "" where nothing does.

        Example:
            >>> str(Sampling()), str(Sampling(rate=100, leads=("I", "II")))
            ('', 'rate 100, leads I II')
        """
        given = {name: value for name, value in vars(self).items() if value != getattr(AS_RECORDED, name)}
        return ", ".join(
            f"{name} {' '.join(value) if isinstance(value, tuple) else f'{value:g}' if name in _NUMBERS else value}"
            for name, value in given.items()
        )


_NUMBERS = frozenset({"rate", "offset", "duration", "file_rate"})

AS_RECORDED = Sampling()
"""Whole, every lead, nothing done to it."""
