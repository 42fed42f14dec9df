"""Moving pictures of any container that FFmpeg reads."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from io import BytesIO, RawIOBase
from typing import Any

from closegap.errors import DataError, needs

with needs("video"):
    import av
    from av.container import InputContainer
    from av.video.reformatter import VideoReformatter
    from PIL import Image

from closegap.kinds.clock import clock
from closegap.kinds.containers import container
from closegap.kinds.film import LONGEST, Film
from closegap.kinds.frame_choice import SECOND, Span
from closegap.kinds.viewing import AS_IT_IS, Viewing

_SOUGHT = 10.0  # seconds; what lies nearer to the beginning is read past
_FRAMES = 500_000
_HELD = 32 * 2**20  # bytes of a clip that are kept rather than read twice
_GUESSED = frozenset({"mpeg", "mpegts"})  # formats that do not say how long they last
_WIDEST = 8  # of a pixel's sides
_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


class ContainerFilm(Film):
    """A clip in a container: its times are read first, without decoding, then only what the chosen frames need.

    From one key frame to the next, frames depend on each other; where none of them is chosen, none is decoded.

    Args:
        file: at its beginning.
        name: what errors call it.
        stack: closes what is opened.
    """

    def __init__(self, file: RawIOBase | BytesIO, name: str, stack: ExitStack) -> None:
        super().__init__(name)
        self._file, self._stack = file, stack
        self._open()
        self._viewing = AS_IT_IS
        self._held: list[Any] | None = []
        self._times: list[int] = []
        self._groups: list[int] = []
        self._drawing = VideoReformatter()  # kept, as what it makes ready for one frame serves the next
        stream = self._stream
        self.expect_size(stream.codec_context.width, stream.codec_context.height)
        ratio = stream.sample_aspect_ratio
        self._ratio = float(ratio) if ratio and 1 / _WIDEST <= ratio <= _WIDEST else 1.0

    def span(self, viewing: Viewing) -> Span:
        """When frames are shown; see `Film.span`."""
        said = self._said()
        self.expect_length(said, viewing)
        self._viewing = viewing
        last = None if viewing.duration is None else (viewing.offset + viewing.duration) * SECOND
        longest = (viewing.offset + LONGEST) * SECOND
        times, groups, hidden = list[int](), list[int](), set[int]()
        size, step, corrupt = 0, 0, False
        for packet in self._packets():
            at = self._moment(packet)
            groups.append((groups[-1] if groups else 0) + bool(packet.is_keyframe))
            times.append(at)
            if packet.is_discard:
                hidden.add(len(times) - 1)
            step, corrupt = self._scaled(packet.duration or 0), bool(packet.is_corrupt)
            size += packet.size
            if size > _HELD:
                self._held = None
            elif self._held is not None:
                self._held.append(packet)
            if len(times) > _FRAMES or (viewing.duration is None and at > longest):
                raise DataError(
                    f"{self.name}: more than {_FRAMES:,} frames or {clock(LONGEST)}; name a part: in a cell, "
                    "clip.mp4#t=60,90, or by the kind's offset and duration"
                )
            if last is not None and self._scaled(packet.dts or 0) - self._beginning > last + SECOND:
                break
        else:
            self._expect_whole(times, step, said, corrupt)
        self._times, self._groups = times, groups
        starts = sorted({at for number, at in enumerate(times) if number not in hidden})
        return self.part(starts, _end(starts, step), viewing)

    def pictures(self, moments: Sequence[int], size: int) -> Iterator[tuple[int, Image.Image]]:
        """The chosen frames; see `Film.pictures`."""
        pending = deque(sorted(set(moments)))
        needed = self._needed(pending)
        codec = self._stream.codec_context
        self.expect_work(sum(group in needed for group in self._groups), codec.width, codec.height)
        before: Any = None
        for frame in self._decoded(needed):
            at = self._moment(frame)
            while pending and at >= pending[0]:
                shown = frame if at == pending[0] or before is None else before
                yield pending.popleft(), self._picture(shown, size)
            before = frame
            if not pending:
                return
        if before is None:
            raise DataError(f"{self.name}: no frame of it can be decoded; fetch it again")
        while pending:
            yield pending.popleft(), self._picture(before, size)

    def _decoded(self, needed: set[int]) -> Iterator[Any]:
        """Frames of these groups, in order of time within those that follow each other."""
        running = False
        for group, packet in zip(self._groups, self._packets_again(), strict=False):
            if group in needed:
                running = True
                yield from self._stream.codec_context.decode(packet)
            elif running:
                running = False
                yield from self._stream.codec_context.decode(None)
                self._stream.codec_context.flush_buffers()
        if running:
            yield from self._stream.codec_context.decode(None)

    def _needed(self, moments: Sequence[int]) -> set[int]:
        """The groups of those moments, and those before the ones that begin after them: a key frame comes first."""
        if self._opened.format.name == "apng":  # calls every frame a key frame
            return set(self._groups)
        wanted, needed, key = set(moments), set[int](), 0
        for number, (at, group) in enumerate(zip(self._times, self._groups, strict=True)):
            key = at if not number or group != self._groups[number - 1] else key
            if at in wanted:
                needed |= {group, group - 1} if at < key else {group}
        return needed

    def _packets(self) -> Iterator[Any]:
        """What the frames are decoded from, from before the part that is seen to the end."""
        if self._viewing.offset > _SOUGHT:
            stream = self._stream
            place = self._viewing.offset - _SOUGHT + float((stream.start_time or 0) * stream.time_base)
            self._opened.seek(int(place / stream.time_base), stream=stream, backward=True)
        return (packet for packet in self._opened.demux(self._stream) if packet.size)

    def _packets_again(self) -> Iterator[Any]:
        if self._held is not None:
            return iter(self._held)
        self._file.seek(0)
        self._open()
        return self._packets()

    def _open(self) -> None:
        self._opened: InputContainer = self._stack.enter_context(container(self._file, self.name))
        if not self._opened.streams.video:
            raise DataError(f"{self.name}: has no moving pictures; is it a recording?")
        self._stream: Any = self._opened.streams.video[0]
        if self._stream.codec_context is None or not self._stream.time_base:
            raise DataError(f"{self.name}: has no codec that is known here, or no time; convert it to MP4")
        self._stream.codec_context.thread_count = 1  # clips are decoded side by side
        self._ticks, self._second = self._stream.time_base.numerator * SECOND, self._stream.time_base.denominator
        self._beginning = self._scaled(self._stream.start_time or 0)

    def _said(self) -> float | None:
        """Seconds that the clip says it lasts; None where it says nothing."""
        stream = self._stream
        if self._opened.format.name in _GUESSED:
            return None
        if stream.duration is not None:
            return float(stream.duration * stream.time_base)
        alone = len(self._opened.streams) == 1 and self._opened.duration is not None
        return float(self._opened.duration or 0) / av.time_base if alone else None

    def _expect_whole(self, times: Sequence[int], step: int, said: float | None, corrupt: bool) -> None:
        there = _end(sorted(set(times)), step) / SECOND if times else 0.0
        if corrupt or (said is not None and said - there > max(0.5, 0.05 * said)):
            more = f", where it says {clock(said)}" if said is not None and said > there else ""
            raise DataError(f"{self.name}: truncated, its frames end at {clock(max(there, 0.0))}{more}; fetch it again")

    def _moment(self, found: Any) -> int:
        """Of a packet or a frame."""
        at = found.dts if found.pts is None else found.pts
        if at is None:
            raise DataError(f"{self.name}: a frame without a time; convert it to MP4")
        return self._scaled(at) - self._beginning

    def _scaled(self, units: int) -> int:
        return units * self._ticks // self._second

    def _picture(self, frame: Any, size: int) -> Image.Image:
        self.expect_size(frame.width, frame.height)
        width, height = max(1, round(frame.width * self._ratio)), frame.height
        scale = min(1.0, size / max(width, height))
        sides: dict[str, Any] = {"width": max(1, round(width * scale)), "height": max(1, round(height * scale))}
        clear = any(component.is_alpha for component in frame.format.components)
        form = "rgba" if clear else "rgb24"
        drawn = self._drawing.reformat(frame, format=form, interpolation="BICUBIC", threads=1, **sides)
        found = Image.fromarray(drawn.to_ndarray())
        if clear:
            found = on_black(found)
        turn = _TURNS.get(round(frame.rotation / 90) * 90 % 360)
        return found if turn is None else found.transpose(turn)


def on_black(image: Image.Image) -> Image.Image:
    """The RGBA image laid over black, as images are."""
    found = Image.new("RGB", image.size)
    found.paste(image, mask=image.getchannel("A"))
    return found


def _end(starts: Sequence[int], step: int) -> int:
    """When the last frame is no longer shown: after `step`, or, where that is not said, as long as the others are."""
    if not starts:
        return 0
    mean = (starts[-1] - starts[0]) // max(1, len(starts) - 1)
    return starts[-1] + (step if 0 < step < LONGEST * SECOND else mean)
