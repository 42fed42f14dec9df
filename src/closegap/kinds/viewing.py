"""What of a clip is seen."""

from dataclasses import dataclass

from closegap.bounds import NonNegativeFloat, Seconds, Side
from closegap.checked import check_fields


@dataclass(frozen=True)
class Viewing:
    """Which part of a clip is seen, and how large, before anybody chooses frames of it.

    Args:
        offset: seconds that are left out at the beginning.
        duration: seconds from there on; the rest of the clip by default, of at most an hour.
        size: longest side of a frame in pixels; larger ones are scaled down as they are decoded.

    Raises:
        UsageError: a setting out of its bounds.
    """

    offset: NonNegativeFloat = 0.0
    duration: Seconds | None = None
    size: Side = 512

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def of_all(self) -> bool:
        """Whether no part is named."""
        return self.offset == 0 and self.duration is None

    def __str__(self) -> str:
        """What differs from a clip seen whole; "" where nothing does.

        Example:
            >>> str(Viewing()), str(Viewing(offset=2, duration=5))
            ('', 'offset 2, duration 5')
        """
        given = {name: value for name, value in vars(self).items() if value != getattr(AS_IT_IS, name)}
        return ", ".join(f"{name} {value:g}" for name, value in given.items())


AS_IT_IS = Viewing()
"""Whole, frames of at most 512 pixels a side."""
