"""Moving pictures as they come out of their file: never more of them in memory than were asked for."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from closegap.errors import DataError, needs
from closegap.kinds.clock import clock
from closegap.kinds.frame_choice import SECOND, Span
from closegap.kinds.viewing import Viewing

with needs("video"):
    from PIL import Image

LONGEST = 3600.0
"""Seconds that are looked at unasked."""
_MOST = 2**25  # pixels of a frame
_WORK = 2e10  # pixels that are decoded for the frames of one clip: about a minute on one core
_ADVICE = (
    f"expected at most {clock(LONGEST)} unless a part is named: in a cell, clip.mp4#t=60,90, or by the kind's "
    "offset and duration"
)


class Film(ABC):
    """An open clip.

    Args:
        name: what errors call it.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def span(self, viewing: Viewing) -> Span:
        """When the frames of the part that is seen are shown.

        Raises:
            DataError: fewer than two frames in it, or times that cannot be.
        """

    @abstractmethod
    def pictures(self, moments: Sequence[int], size: int) -> Iterator[tuple[int, Image.Image]]:
        """Moment and upright RGB picture of each frame that is shown from one of these moments on, in order of time.

        Args:
            moments: of a span that was asked for before; each is given once.
            size: longest side, to which larger frames are scaled down.

        Raises:
            DataError: frames that cannot be decoded, or take too long.
        """

    def expect_size(self, width: int, height: int) -> None:
        """Refuse frames that no memory is asked for."""
        if width <= 0 or height <= 0 or width * height > _MOST:
            raise DataError(
                f"{self.name}: frames of {width:,} x {height:,} pixels, expected at most {_MOST:,} pixels; "
                "scale it down"
            )

    def expect_work(self, frames: int, width: int, height: int) -> None:
        """Refuse what takes too long to decode."""
        if frames * width * height > _WORK:
            raise DataError(
                f"{self.name}: {frames:,} frames of {width:,} x {height:,} pixels have to be decoded, expected at most "
                f"{_WORK:,.0f} pixels; name a part, or convert it with more key frames"
            )

    def expect_length(self, seconds: float | None, viewing: Viewing) -> None:
        """Refuse a clip of hours of which no part is named."""
        if seconds is not None and viewing.duration is None and seconds - viewing.offset > LONGEST:
            raise DataError(f"{self.name}: lasts {clock(seconds)}, {_ADVICE}")

    def part(self, starts: Sequence[int], end: int, viewing: Viewing) -> Span:
        """The span of a part of frames that begin to be shown then, the last of them until `end`.

        Raises:
            DataError: the clip ends before the part, or has no two frames.
        """
        begin = round(viewing.offset * SECOND)
        last = end if viewing.duration is None else min(end, begin + round(viewing.duration * SECOND))
        if len(starts) < 2 or end <= starts[0]:
            raise DataError(
                f"{self.name}: {'one frame' if starts else 'no frame'}, expected a clip of two frames or more"
                + ("; use the kind image" if starts else "")
            )
        if last <= begin:
            raise DataError(f"{self.name}: ends before {clock(viewing.offset)}; name an earlier part")
        first = max(0, sum(1 for start in starts if start <= begin) - 1)
        kept = [start for start in starts[first:] if start < last]
        return Span(kept or [starts[first]], max(begin, starts[0]), last)
