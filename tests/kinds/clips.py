"""Files of moving pictures for tests."""

from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import numpy as np
from PIL import Image

FORMS = [
    ("mp4", "libx264", "yuv420p"),
    ("mov", "mpeg4", "yuv420p"),
    ("avi", "mpeg4", "yuv420p"),
    ("mpeg", "mpeg2video", "yuv420p"),
    ("mpegts", "libx264", "yuv420p"),
    ("webm", "libvpx-vp9", "yuv420p"),
    ("matroska", "ffv1", "bgr0"),
    ("flv", "flv1", "yuv420p"),
    ("gif", "gif", "rgb8"),
    ("apng", "apng", "rgb24"),
]


def pictures(count: int = 12, width: int = 64, height: int = 48, seed: int = 0) -> list[Image.Image]:
    """Each of one grey level, brighter than the one before, with a mark at the upper left."""
    found = []
    for number in range(count):
        levels = np.full((height, width, 3), 20 + (number * 17 + seed) % 200, np.uint8)
        levels[: height // 4, : width // 4] = (250, 0, 0)
        found.append(Image.fromarray(levels))
    return found


def encoded(
    shown: Sequence[Image.Image],
    form: str = "mp4",
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    rate: int = 10,
    every: int = 6,
) -> bytes:
    """A file, a key frame every so many; `times` in milliseconds are those of a variable frame rate."""
    buffer = BytesIO()
    options = {"g": str(every)} if codec not in ("gif", "apng", "ffv1") else {}
    with av.open(buffer, "w", format=form) as made:
        stream: Any = made.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = *shown[0].size, pixels
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(shown):
            frame: Any = av.VideoFrame.from_ndarray(np.asarray(picture.convert("RGB")))
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, rate) if times is None else Fraction(1, 1000)
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return buffer.getvalue()


def animated(shown: Sequence[Image.Image], form: str = "WEBP", milliseconds: Sequence[int] | int = 100) -> bytes:
    """A file that Pillow writes."""
    buffer = BytesIO()
    lossless = {"lossless": True} if form == "WEBP" else {}
    given = list(milliseconds) if not isinstance(milliseconds, int) else milliseconds
    shown[0].save(buffer, form, save_all=True, append_images=shown[1:], duration=given, **lossless)
    return buffer.getvalue()


def turned(mp4: bytes, degrees: int) -> bytes:
    """The file with a display matrix that has it shown turned clockwise by so much."""
    one, minus = 0x10000, 0x100000000 - 0x10000
    matrix = {90: (0, one, 0, minus, 0, 0), 180: (minus, 0, 0, 0, minus, 0), 270: (0, minus, 0, one, 0, 0)}[degrees]
    at = mp4.index(b"tkhd") + 4 + 4 + 4 * 5 + 8 + 8  # version, times, track, duration; reserved; layer, volume
    return mp4[:at] + b"".join(value.to_bytes(4, "big") for value in matrix) + mp4[at + 24 :]


def level(picture: Image.Image) -> int:
    """The grey of the lower right."""
    return int(np.asarray(picture)[-3, -3, 1])
