"""Recordings of formats that libsndfile and FFmpeg write, damaged ones, lying headers, and what is no sound."""

import io
import struct
from collections.abc import Callable
from random import Random
from typing import Any

import av
import numpy as np
import soundfile
from jaxtyping import Float32

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import cut, flipped
from acceptance.inputs.media import NOT_MEDIA, named, of_files
from acceptance.tiny import part

_RATE = 8_000
_LEAST = 64  # samples of a last piece, of fewer FFmpeg's AAC makes packets that its MP4 refuses
_FORMS: tuple[tuple[str, str], ...] = (
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("WAV", "PCM_U8"),
    ("W64", "PCM_24"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("MP3", "MPEG_LAYER_III"),
    ("AIFF", "PCM_16"),
    ("CAF", "PCM_16"),
    ("AU", "ULAW"),
)
_CONTAINERS: tuple[tuple[str, str], ...] = (("mp4", "aac"), ("webm", "libopus"), ("avi", "mp3"), ("mpegts", "mp2"))
_SUFFIXES = (".wav", ".ogg", ".flac", ".mp3", ".m4a", ".raw", ".WAV", ".txt", "")


def make(place: Place) -> Case:
    """Shards written from a table of recordings."""
    random = place.random
    kind: Any = "audio"
    if random.random() < 0.3:
        listening = {"trim": random.choice([1, 40]), "level": random.choice(["peak", "rms"]), "channels": "kept"}
        kind = part("closegap.kinds.AudioKind", listening=listening)

    def put(number: int) -> tuple[str, str]:
        content, expected = _recording(random)
        return named(random, number, _SUFFIXES, content), expected

    return of_files(random, kind, put)


def _recording(random: Random) -> tuple[bytes, str]:
    """The bytes of a file, and what is expected of it."""
    tone, form = _tone(random), random.choice(_FORMS)
    sound: list[Callable[[], bytes]] = [
        lambda: _saved(tone, *form),
        lambda: _saved(np.stack([tone, tone[::-1]], 1), *form),
        lambda: _muxed(tone, *random.choice(_CONTAINERS)),
        lambda: _saved(np.clip(tone * 30, -1, 1), *form),
    ]
    unsure: list[Callable[[], bytes]] = [
        lambda: flipped(random, random.choice(sound)()),
        lambda: flipped(random, random.choice(sound)(), most=60),
        lambda: cut(random, random.choice(sound)()),
        lambda: _wav(random, data=random.choice([0, 2**32 - 1, 2**31, 10**6]), held=tone.tobytes()),
        lambda: random.choice(sound)()[random.randint(1, 60) :],
        lambda: _with_odd_samples(random, tone, random.choice([1e8, -1e30, 32767.0])),
    ]
    none: list[Callable[[], bytes]] = [
        lambda: random.choice(sorted(NOT_MEDIA.values())),
        lambda: random.randbytes(900),
        lambda: _saved(tone * 0, "WAV", "PCM_16"),
        lambda: _saved(tone[:0], "WAV", "PCM_16"),
        lambda: _saved(tone[:3], "WAV", "FLOAT"),
        lambda: _with_odd_samples(random, tone, random.choice([np.nan, np.inf, -np.inf])),
        lambda: _wav(random, rate=random.choice([1, 2**31, 2**32 - 1]), held=tone.tobytes()),
        lambda: _wav(random, channels=random.choice([65, 1000]), held=tone.tobytes() * 9),
        lambda: _hours(random),
    ]
    expected, makers = random.choice([("taken", sound), ("any", unsure), ("any", unsure), ("refused", none)])
    return random.choice(makers)(), expected


def _tone(random: Random) -> Float32[np.ndarray, "n"]:
    n = random.randint(2_000, 9_000)
    noise = np.random.default_rng(random.randrange(2**32)).standard_normal(n)
    return np.asarray(0.3 * np.sin(np.arange(n) * random.uniform(0.01, 1)) + 0.01 * noise, np.float32)


def _saved(samples: Float32[np.ndarray, "..."], form: str, subtype: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, _RATE, subtype, format=form)
    return buffer.getvalue()


def _muxed(samples: Float32[np.ndarray, "n"], form: str, codec: str) -> bytes:
    buffer, rate = io.BytesIO(), 48_000 if codec == "libopus" else 16_000
    with av.open(buffer, "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="mono")
        plain = av.AudioResampler(stream.format, "mono", rate, stream.codec_context.frame_size or 1024)
        frame = av.AudioFrame.from_ndarray(samples[None], "flt", "mono")
        frame.sample_rate = _RATE
        for piece in [*plain.resample(frame), *plain.resample(None)]:
            if piece.samples > _LEAST:
                container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _with_odd_samples(random: Random, tone: Float32[np.ndarray, "n"], value: float) -> bytes:
    odd = tone.copy()
    odd[random.randrange(len(odd))] = value
    return _saved(odd, "WAV", "FLOAT")


def _wav(random: Random, *, data: int | None = None, rate: int = _RATE, channels: int = 1, held: bytes = b"") -> bytes:
    """A WAV file whose header says what it likes."""
    said = len(held) if data is None else data
    bits = random.choice([16, 16, 32])
    form = struct.pack("<HHIIHH", 1, channels, rate, 2**31, channels * bits // 8, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", said) + held
    return b"RIFF" + struct.pack("<I", min(said + 36, 2**32 - 1)) + body


def _hours(random: Random) -> bytes:
    """FLAC of a moment whose header says that it lasts for hours."""
    content = bytearray(_saved(_tone(random), "FLAC", "PCM_16"))
    content[21] |= 0x0F  # of 36 bits that say how many samples there are
    content[22:26] = b"\xff\xff\xff\xff"
    return bytes(content)
