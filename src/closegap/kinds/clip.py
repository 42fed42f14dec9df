"""One clip: where it lies, and what of it is seen."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from io import BytesIO
from itertools import groupby
from typing import Any

import numpy as np

from closegap.errors import DataError, needs
from closegap.kinds.container_film import ContainerFilm
from closegap.kinds.containers import opened_file
from closegap.kinds.film import Film
from closegap.kinds.frame_choice import SECOND, FrameChoice
from closegap.kinds.place import Place
from closegap.kinds.room import Room
from closegap.kinds.sourced import Sourced, content_of, fingerprint_of, place_of, told
from closegap.kinds.stored import Stored
from closegap.kinds.viewing import AS_IT_IS, Viewing
from closegap.kinds.webp_film import WebpFilm, is_webp

with needs("video"):
    import av
    from PIL import Image

_NOUN = "clip"
_LOOKED_AT = FrameChoice(8)
_PACKED = 3_000  # frames of a part
_ROOM = Room(512 * 2**20)
_PIXEL = 8  # bytes of one, with all copies


@dataclass(frozen=True)
class Clip:
    """Moving pictures that are decoded when they are needed, and then only what the chosen frames need.

    Args:
        source: a file, the bytes of one, or what lies in an archive.
        viewing: which part is seen, and how large.
    """

    source: Sourced
    viewing: Viewing = AS_IT_IS

    @classmethod
    def of_pictures(cls, pictures: Iterable[Image.Image], rate: float) -> "Clip":
        """The clip that a program has made of pictures of one size, so many a second, kept without loss."""
        given = list(pictures)
        shown = ((round(number * SECOND / rate), picture) for number, picture in enumerate(given))
        return cls(_film_of(shown, round(len(given) * SECOND / rate)))

    def pictures(self, choice: FrameChoice, size: int | None = None) -> list[Image.Image]:
        """The chosen frames as upright RGB, in order; one that is chosen twice stands there twice.

        Args:
            choice: of the frames.
            size: longest side, where a smaller one will do.

        Raises:
            DataError: no file, no moving pictures, fewer than two frames, a part that is not there, more than an hour
                of which no part is named, a damaged or truncated file, frames that are too large or take too long.
        """
        with self._film() as film:
            moments = choice.moments(film.span(self.viewing))
            found = self._decoded(film, moments, size)
        return [found[moment] for moment in moments]

    def frames(self, choice: FrameChoice) -> list["Frame"]:
        """The chosen frames, not decoded yet.

        Raises:
            DataError: as of `pictures`, where times alone show it.
        """
        whole = replace(self, viewing=Viewing(size=self.viewing.size))
        with self._film() as film:
            moments = choice.moments(film.span(self.viewing))
        content = whole.fingerprint().decode()
        return [Frame(whole, moment, content) for moment in moments]

    def check(self) -> None:
        """Read all times, and decode eight frames.

        Raises:
            DataError: as of `pictures`.
        """
        self.pictures(_LOOKED_AT)

    def content(self) -> bytes:
        """The bytes of its file.

        Raises:
            DataError: it cannot be read.
        """
        return content_of(self.source, _NOUN)

    def cut(self) -> bytes:
        """A file of the part that is seen, of the size in which it is seen, without loss: PNG in QuickTime.

        Raises:
            DataError: as of `pictures`, or a part of more than 3,000 frames.
        """
        with self._film() as film:
            span = film.span(self.viewing)
            if len(span.starts) > _PACKED:
                raise DataError(
                    f"{self}: {len(span.starts):,} frames, expected at most {_PACKED:,} to be packed; cut it to a file"
                )
            shown = film.pictures(span.starts, self.viewing.size)
            return _film_of(((max(0, at - span.begin), picture) for at, picture in shown), span.end - span.begin)

    def fingerprint(self) -> bytes:
        """Digest of its file, which is read piece by piece, and of what is seen of it."""
        return fingerprint_of(self.source, str(self.viewing), _NOUN)

    def place(self) -> Place | None:
        """Its file, and what of that is seen; None of bytes."""
        return place_of(self.source, str(self.viewing))

    def __str__(self) -> str:
        return told(self.source, str(self.viewing), _NOUN)

    @contextmanager
    def _film(self) -> Iterator[Film]:
        source = self.source.content() if isinstance(self.source, Stored) else self.source
        with ExitStack() as stack:
            file = stack.enter_context(opened_file(source, str(self), _NOUN))
            start = file.read(16) or b""
            file.seek(0)
            yield WebpFilm(file, str(self)) if is_webp(start) else ContainerFilm(file, str(self), stack)

    def _decoded(self, film: Film, moments: Sequence[int], size: int | None) -> dict[int, Image.Image]:
        side = min(size or self.viewing.size, self.viewing.size)
        with _ROOM.taken(len(set(moments)) * side * side * _PIXEL):
            return dict(film.pictures(moments, side))


@dataclass(frozen=True)
class Frame:
    """One frame of a clip, an `ImageSource`: the same whatever part was seen, and whichever others were chosen.

    Args:
        clip: seen whole.
        moment: when the frame begins to be shown, in microseconds.
        content: the clip's fingerprint.
    """

    clip: Clip
    moment: int
    content: str

    def open(self) -> Image.Image:
        """The picture."""
        return pictures([self])[0]

    def fingerprint(self) -> bytes:
        """Digest of the clip, and the moment."""
        return f"{self.content} {self.moment}".encode()


def pictures(frames: Sequence[Frame]) -> list[Image.Image]:
    """The pictures of frames; those of a clip that follow each other are decoded together.

    Raises:
        DataError: as of `Clip.pictures`.
    """
    found = []
    for clip, together in groupby(frames, key=lambda frame: frame.clip):
        moments = [frame.moment for frame in together]
        near = Viewing(min(moments) / SECOND, (max(moments) - min(moments)) / SECOND + 1, clip.viewing.size)
        with clip._film() as film:
            film.span(near)
            decoded = clip._decoded(film, moments, None)
        found += [decoded[moment] for moment in moments]
    return found


def _film_of(shown: Iterable[tuple[int, Image.Image]], end: int | None = None) -> bytes:
    """A file of pictures, each from its moment on until the next, the last until `end`."""
    buffer = BytesIO()
    held: list[Any] = []
    with av.open(buffer, "w", format="mov", options={"fflags": "+bitexact"}) as made:
        stream: Any = None
        for at, picture in shown:
            if stream is None:
                stream = made.add_stream("png", rate=25)
                stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "rgb24"
                stream.time_base = stream.codec_context.time_base = Fraction(1, SECOND)
                stream.codec_context.thread_count = 1
            for packet in held:
                packet.duration = at - packet.pts
                made.mux(packet)
            frame: Any = av.VideoFrame.from_ndarray(np.asarray(picture.convert("RGB")))
            frame.pts, frame.time_base = at, Fraction(1, SECOND)
            held = stream.encode(frame)
        for packet in held:
            packet.duration = packet.duration if end is None else end - packet.pts
            made.mux(packet)
    return buffer.getvalue()
