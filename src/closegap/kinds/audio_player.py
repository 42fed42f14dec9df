"""A recording as a page shows it: its spectrogram, and a player below it."""

from base64 import b64encode
from io import BytesIO

import numpy as np
from jaxtyping import Float32, UInt8
from markupsafe import Markup

from closegap.errors import needs
from closegap.kinds.clock import clock
from closegap.kinds.mel import log_mel
from closegap.kinds.recording import Recording

with needs("audio"):
    import soundfile
    from PIL import Image

_RATE = 16_000
_SECONDS = 10.0  # about 30 kB of MP3
_WIDTH, _MELS, _RANGE = 200, 64, 60.0  # columns, bands, dB from the loudest to black
_MP3 = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT", "compression_level": 0.9}
_PALETTE = ((0, 0, 4), (59, 15, 112), (140, 41, 129), (222, 73, 104), (254, 159, 109), (252, 253, 191))  # magma


def player(recording: Recording) -> Markup:
    """The first ten seconds of what is heard, mono at 16 kHz: a PNG and an MP3, which every browser plays.

    Raises:
        DataError: nothing that can be heard.
    """
    samples, _ = recording.samples(_RATE, _SECONDS)
    heard = samples.mean(0)
    loudest = max(1.0, float(np.abs(heard).max()))
    sound = BytesIO()
    soundfile.write(sound, heard / loudest, _RATE, **_MP3)
    picture = BytesIO()
    _drawn(log_mel(heard, _RATE, _MELS)).save(picture, "PNG", optimize=True)
    return Markup(
        '<div class="sound"><img alt="" src="data:image/png;base64,{}">'
        '<audio controls preload="none" src="data:audio/mpeg;base64,{}"></audio><small>{}</small></div>'
    ).format(_inline(picture), _inline(sound), clock(len(heard) / _RATE))


def _drawn(decibels: Float32[np.ndarray, "mels frames"]) -> Image.Image:
    """Low frequencies below; from the loudest 60 dB down to black, 32 shades."""
    columns = np.array_split(decibels, min(_WIDTH, decibels.shape[1]), axis=1)
    levels = np.stack([column.max(1) for column in columns], axis=1)[::-1]
    shades = np.clip((levels - levels.max()) / _RANGE + 1, 0, 1)
    image = Image.fromarray(np.rint(shades * 31).astype(np.uint8))
    image.putpalette(_palette().tobytes())
    return image.resize((_WIDTH, _MELS), Image.Resampling.NEAREST)


def _palette() -> UInt8[np.ndarray, "32 3"]:
    stops = np.linspace(0, 31, len(_PALETTE))
    channels = [np.interp(np.arange(32), stops, [colour[part] for colour in _PALETTE]) for part in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def _inline(file: BytesIO) -> str:
    return b64encode(file.getvalue()).decode()
