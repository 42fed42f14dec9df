"""Clips of the containers that FFmpeg and Pillow write, damaged ones, lying headers, and what is no clip."""

import io
import struct
from collections.abc import Callable
from random import Random
from typing import Any

import av
import numpy as np
from PIL import Image

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import cut, flipped
from acceptance.inputs.media import NOT_MEDIA, named, of_files
from acceptance.tiny import part

_FORMS: tuple[tuple[str, str, str], ...] = (
    ("mp4", "libx264", "yuv420p"),
    ("mp4", "mpeg4", "yuv420p"),
    ("avi", "mpeg4", "yuv420p"),
    ("mpeg", "mpeg2video", "yuv420p"),
    ("mpegts", "libx264", "yuv420p"),
    ("webm", "libvpx-vp9", "yuv420p"),
    ("matroska", "ffv1", "bgr0"),
    ("flv", "flv1", "yuv420p"),
)
_SUFFIXES = (".mp4", ".avi", ".gif", ".webm", ".mov", ".MPG", ".wav", ".txt", "")


def make(place: Place) -> Case:
    """Shards written from a table of clips, all of which are looked at before."""
    random = place.random
    kind: Any = "video"
    if part_named := random.random() < 0.3:
        viewing = {"size": random.choice([1, 8, 4096]), "duration": random.choice([0.2, 3000])}
        kind = part("closegap.kinds.VideoKind", viewing=viewing)

    def put(number: int) -> tuple[str, str]:
        content, expected = _clip(random, part_named)
        return named(random, number, _SUFFIXES, content), expected

    return of_files(random, kind, put)


def _clip(random: Random, part_named: bool) -> tuple[bytes, str]:
    """The bytes of a file, and what is expected of it: of hours a part may be looked at, if it is named."""
    shown = _pictures(random)
    sound: list[Callable[[], bytes]] = [
        lambda: _muxed(shown, *random.choice(_FORMS)),
        lambda: _muxed(shown, *random.choice(_FORMS[:1])),
        lambda: _animated(shown, random.choice(["GIF", "WEBP", "PNG"])),
    ]
    unsure: list[Callable[[], bytes]] = [
        lambda: flipped(random, random.choice(sound)()),
        lambda: flipped(random, random.choice(sound)(), most=60),
        lambda: cut(random, random.choice(sound)()),
        lambda: random.choice(sound)()[random.randint(1, 60) :],
        lambda: _resized(random, _animated(shown, "GIF"), 6, "<HH"),
        lambda: _resized(random, _animated(shown, "PNG"), 16, ">II"),
        lambda: _with_times(random, _muxed(shown, *_FORMS[0])),
        lambda: _animated(shown, "GIF") * 2,
    ]
    none: list[Callable[[], bytes]] = [
        lambda: random.choice(sorted(NOT_MEDIA.values())),
        lambda: random.randbytes(900),
        lambda: _muxed(shown[:1], *_FORMS[0]),
        lambda: _animated(shown[:1], random.choice(["GIF", "WEBP"])),
    ]
    long: list[Callable[[], bytes]] = [
        lambda: _hours(_muxed(shown, *_FORMS[5])),
        lambda: _many(random),
    ]
    expected, makers = random.choice(
        [
            ("taken", sound),
            ("any", unsure),
            ("any", unsure),
            ("refused", none),
            ("any" if part_named else "refused", long),
        ]
    )
    return random.choice(makers)(), expected


def _pictures(random: Random) -> list[Image.Image]:
    width, height = random.choice([16, 32, 64]), random.choice([16, 48])
    noise = np.random.default_rng(random.randrange(2**32))
    return [
        Image.fromarray(noise.integers(0, 255, (height, width, 3), dtype=np.uint8)) for _ in range(random.randint(2, 9))
    ]


def _muxed(shown: list[Image.Image], form: str, codec: str, pixels: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = *shown[0].size, pixels
        stream.codec_context.thread_count = 1
        for picture in shown:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture))))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _animated(shown: list[Image.Image], form: str) -> bytes:
    buffer = io.BytesIO()
    shown[0].save(buffer, form, save_all=True, append_images=shown[1:], duration=100)
    return buffer.getvalue()


def _resized(random: Random, content: bytes, at: int, form: str) -> bytes:
    """With another size in its header."""
    sides = [random.choice([0, 1, 40, 30_000, 65_535]) for _ in range(2)]
    return content[:at] + struct.pack(form, *sides) + content[at + struct.calcsize(form) :]


def _with_times(random: Random, mp4: bytes) -> bytes:
    """With frames that last as long as they like."""
    at = mp4.find(b"stts") + 16
    return mp4[:at] + struct.pack(">I", random.choice([0, 1, 2**31 - 1, 2**32 - 1])) + mp4[at + 4 :]


def _hours(webm: bytes) -> bytes:
    """A WebM of a moment whose header says that it lasts for ten hours."""
    at = webm.index(b"\x44\x89\x88") + 3
    return webm[:at] + struct.pack(">d", 36_000_000) + webm[at + 8 :]


def _many(random: Random) -> bytes:
    """A GIF of up to 100,000 frames of which each is shown for as long as a GIF can."""
    frame = b"\x21\xf9\x04\x00\xff\xff\x00\x00\x2c\x00\x00\x00\x00\x02\x00\x02\x00\x00\x02\x03\x84\x11\x05\x00"
    start = b"GIF89a\x02\x00\x02\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    return start + frame * random.choice([100, 10_000, 100_000]) + b";"
