"""Files of sound for tests."""

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from jaxtyping import Float32

RATE = 16_000
SNDFILE = [
    ("wav", "WAV", "PCM_16"),
    ("wav", "WAV", "FLOAT"),
    ("w64", "W64", "PCM_24"),
    ("flac", "FLAC", "PCM_16"),
    ("ogg", "OGG", "VORBIS"),
    ("aiff", "AIFF", "PCM_16"),
    ("caf", "CAF", "PCM_16"),
    ("au", "AU", "PCM_16"),
]
CODECS = [("m4a", "aac"), ("mp3", "mp3"), ("webm", "libopus"), ("avi", "mp3"), ("mp4", "aac")]


def hum(seconds: float = 1.0, rate: int = RATE, seed: int = 0) -> Float32[np.ndarray, "n"]:
    """A rising tone with a little noise, below full scale."""
    n = round(seconds * rate)
    time = np.arange(n) / rate
    noise = np.random.default_rng(seed).standard_normal(n) * 0.01
    return (0.4 * np.sin(2 * np.pi * (200 + 150 * seed + 200 * time) * time) + noise).astype(np.float32)


def encoded(samples: Float32[np.ndarray, "..."], form: str = "WAV", subtype: str = "PCM_16", rate: int = RATE) -> bytes:
    buffer = BytesIO()
    soundfile.write(buffer, samples, rate, subtype, format=form)
    return buffer.getvalue()


def muxed(path: Path, codec: str, samples: Float32[np.ndarray, "n"], pictures: int = 0) -> Path:
    """A file that FFmpeg writes, with so many frames of a video beside the sound."""
    rate = 48_000 if codec == "libopus" else RATE
    with av.open(str(path), "w") as container:
        if pictures:
            video: Any = container.add_stream("mpeg4", rate=5)
            video.width = video.height = 32
        stream: Any = container.add_stream(codec, rate=rate, layout="mono")
        plain = av.AudioResampler(stream.format, "mono", rate, stream.codec_context.frame_size or 1024)
        frame = av.AudioFrame.from_ndarray(samples[None], "flt", "mono")
        frame.sample_rate = RATE
        for number in range(pictures):
            image = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number * 40, np.uint8))
            container.mux(video.encode(image))
        if pictures:
            container.mux(video.encode(None))
        for part in [*plain.resample(frame), *plain.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def header(*, data: int, rate: int = RATE, channels: int = 1, bits: int = 16, held: bytes = b"") -> bytes:
    """A WAV file that says it has `data` bytes of sound, and has those that it `held`."""
    step = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate, min(rate * step, 2**32 - 1), step, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", data) + held
    return b"RIFF" + struct.pack("<I", min(data + 36, 2**32 - 1)) + body
