"""Sound as it comes out of its file, block by block: never more of it in memory than was asked for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO, RawIOBase
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from closegap.errors import DataError, needs
from closegap.kinds.containers import container, opened_file

with needs("audio"):
    import av
    import soundfile
    from av.container import InputContainer

_SOUGHT = 10.0  # seconds; what lies nearer to the beginning is decoded past
_SETTLED = 1.0  # seconds that codecs need before what they give is that of a whole decoding
_BLOCK = 2**18  # samples of all channels that are decoded at once
_RATES = range(100, 768_001)
_CHANNELS = 64
_MP3 = (b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2")  # mpg123 prints warnings
_UNKNOWN = 2**31 - 2**16  # what programs that write to a pipe put in place of a size

Blocks = Iterator[Float32[np.ndarray, "frames channels"]]


@dataclass(frozen=True)
class SoundStream:
    """An open recording.

    Args:
        rate: samples of a channel in a second.
        channels: how many.
        seconds: that it says it lasts; None where it says nothing.
        blocks: from a number of frames to what comes after them, to the end, in blocks.
    """

    rate: int
    channels: int
    seconds: float | None
    blocks: Callable[[int], Blocks]


@contextmanager
def sound_stream(source: Path | bytes, name: str) -> Iterator[SoundStream]:
    """The sound in a file: by libsndfile where it reads it, by FFmpeg otherwise, whatever the file is called.

    Of MP3, libsndfile prints what it finds odd, and fills what is missing with silence: FFmpeg reads it.

    Args:
        source: a file, or the bytes of one.
        name: what errors call it.

    Raises:
        DataError: no such file, no sound, or one that is not what it says.
    """
    with ExitStack() as stack:
        file = stack.enter_context(opened_file(source, name, "recording"))
        start = file.read(3) or b""
        file.seek(0)
        found = None if start.startswith(_MP3) else _sndfile(file, name, stack)
        if found is None:
            file.seek(0)
            found = _of_container(stack.enter_context(container(file, name)), name)
        yield found


def _sndfile(file: RawIOBase | BytesIO, name: str, stack: ExitStack) -> SoundStream | None:
    """The stream by libsndfile; None where FFmpeg is to try."""
    try:
        opened = stack.enter_context(
            soundfile.SoundFile(file if isinstance(file, BytesIO) else file.fileno(), closefd=False)
        )
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError, OverflowError):
        return None
    if opened.subtype.startswith("MPEG"):
        return None
    _expect(name, opened.samplerate, opened.channels)
    _expect_whole(name, opened.extra_info)

    def blocks(first: int) -> Blocks:
        frames = max(1, _BLOCK // opened.channels)
        try:
            if first:
                opened.seek(min(first, opened.frames))
            left = opened.frames - first
            while left > 0:
                block = opened.read(min(frames, left), dtype="float32", always_2d=True)
                if not len(block):
                    raise DataError(
                        f"{name}: ends {left / opened.samplerate:.2f} s before it says it does; fetch it again"
                    )
                left -= len(block)
                yield block
        except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
            raise DataError(f"{name}: damaged or truncated ({_plain(error)}); fetch it again") from error

    return SoundStream(opened.samplerate, opened.channels, opened.frames / opened.samplerate, blocks)


def _expect_whole(name: str, log: str) -> None:
    """Refuse a file whose header names more bytes of sound than there are, and is none of a pipe's."""
    for line in log.splitlines():
        before, marked, after = line.partition(" (should be ")
        if not marked or before.split(":")[0].strip() not in {"data", "SSND", "Data Size"}:
            continue
        try:
            said, there = int(before.split(":")[1]), int(after.rstrip(")"))
        except ValueError:
            continue
        if there < said < _UNKNOWN:
            raise DataError(f"{name}: truncated, {there:,} bytes of sound where it says {said:,}; fetch it again")


def _of_container(opened: InputContainer, name: str) -> SoundStream:
    if not opened.streams.audio:
        raise DataError(f"{name}: has no sound")
    stream = opened.streams.audio[0]
    rate, channels = int(stream.rate or 0), int(stream.channels or 0)
    _expect(name, rate, channels)
    unit = stream.time_base or Fraction(1, rate)
    beginning = float((stream.start_time or 0) * unit)
    seconds = None if stream.duration is None else float(stream.duration * unit)
    if seconds is None and opened.duration is not None:
        seconds = opened.duration / av.time_base

    def blocks(first: int) -> Blocks:
        sought = first > _SOUGHT * rate
        if sought:
            before = first / rate + beginning - _SETTLED
            opened.seek(int(before / unit), stream=stream, backward=True)
        plain = av.AudioResampler(format="fltp")
        at: int | None = None
        for frame in opened.decode(stream):
            if frame.sample_rate != rate or frame.layout.nb_channels != channels:
                raise DataError(f"{name}: changes its sample rate or channels; convert it to WAV")
            if at is None:
                at = round((float(frame.time) - beginning) * rate) if sought and frame.time is not None else 0
            for part in plain.resample(frame):
                values = np.ascontiguousarray(part.to_ndarray().T, np.float32)
                skipped, at = max(0, first - at), at + len(values)
                if skipped < len(values):
                    yield values[skipped:]

    return SoundStream(rate, channels, seconds, blocks)


def _expect(name: str, rate: int, channels: int) -> None:
    if rate not in _RATES:
        raise DataError(
            f"{name}: {rate:,} samples a second, expected {_RATES[0]:,} to {_RATES[-1]:,}; is its header damaged?"
        )
    if not 0 < channels <= _CHANNELS:
        raise DataError(f"{name}: {channels:,} channels, expected 1 to {_CHANNELS}; is its header damaged?")


def _plain(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
