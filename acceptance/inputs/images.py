"""Images of every format that Pillow writes, damaged ones, bombs, and files that only look like images."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import SHELL, cut, flipped
from acceptance.tiny import part, write

_SUFFIXES = (".png", ".jpg", ".gif", ".tif", ".webp", ".bmp", ".jpeg", ".PNG", ".eps", ".ico", ".ppm")
_NO_IMAGES: Mapping[str, bytes] = {
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
    "html": b"<html><script>alert(1)</script>",
    "eps": f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(%pipe%{SHELL}) (w) file\n".encode(),
    "dicom": b"\0" * 128 + b"DICM" + bytes(100),
    "pdf": b"%PDF-1.4\n",
    "empty": b"",
}


def make(place: Place) -> Case:
    """Shards written from a folder of images, or what a run embeds of it."""
    random = place.random
    Path("images").mkdir()
    expected = set[str]()
    for number in range(random.randint(1, 3)):
        content, said = _image(random)
        name = f"{random.choice(['', 'x', '=1+1', 'é', '<b>'])}{number}{random.choice(_SUFFIXES)}"
        (Path("images") / name).write_bytes(content)
        expected.add(said)
    worst = next(said for said in ("refused", "any", "taken") if said in expected)
    if random.random() < 0.3:
        return Case(["embed", str(place.sound / "pictures"), "--images", "images", "--out", "out.safetensors"], worst)
    data = part("closegap.data.ImageFolder", root="images")
    return Case(["shard", "--config", write("config.json", {"data": data}), "--out", "out"], worst)


def _image(random: Random) -> tuple[bytes, str]:
    """The bytes of a file, and what is expected of it."""
    noise = np.random.default_rng(random.randrange(2**32)).integers(
        0, 255, (random.randint(4, 40), random.randint(4, 40), 3)
    )
    picture, gray = Image.fromarray(noise.astype(np.uint8)), noise[:, :, 0]
    sound: list[Callable[[], bytes]] = [
        *(lambda kind=kind: _saved(picture, kind) for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM")),
        *(lambda mode=mode: _saved(picture.convert(mode), "PNG") for mode in ("LA", "P", "1", "RGBA")),
        lambda: _saved(picture.convert("CMYK"), random.choice(["JPEG", "TIFF"])),
        lambda: _saved(Image.fromarray((gray * 200).astype(np.uint16)), random.choice(["PNG", "TIFF"])),
        lambda: _saved(picture, "GIF", save_all=True, append_images=[picture.rotate(90)]),
        lambda: _saved(picture, "JPEG", exif=_exif(random)),
    ]
    unsure: list[Callable[[], bytes]] = [
        lambda: _saved(Image.new("L", random.choice([(60_000, 1), (1, 60_000), (16_000, 2)])), "PNG"),
        lambda: _saved(Image.fromarray((gray + random.choice([0.0, 1e30, np.nan, np.inf])).astype(np.float32)), "TIFF"),
        lambda: _saved(Image.fromarray((gray * 90_000 - 10**6).astype(np.int32)), "TIFF"),
        *(lambda kind=kind: _saved(picture, kind) for kind in ("TGA", "ICO", "JPEG2000")),
        lambda: flipped(random, random.choice(sound)()),
        lambda: cut(random, random.choice(sound)()),
    ]
    none: list[Callable[[], bytes]] = [
        lambda: _declared(random.choice([60_000, 2**31 - 1])),
        lambda: _declared(0),
        lambda: (
            b"GIF89a"
            + struct.pack("<HHBBB", 65535, 65535, 128, 0, 0)
            + bytes(6)
            + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x01\0\0;"
        ),
        lambda: random.choice(sorted(_NO_IMAGES.values())),
        lambda: random.randbytes(400),
    ]
    expected, makers = random.choice([("taken", sound), ("any", unsure), ("any", unsure), ("refused", none)])
    return random.choice(makers)(), expected


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _exif(random: Random) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = random.choice([*range(10), 255])
    return found


def _declared(side: int) -> bytes:
    """A PNG of a few bytes that says it is `side` pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
