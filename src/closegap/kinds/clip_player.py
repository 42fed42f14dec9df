"""A clip as a page shows it: a strip of its frames, and a player below it."""

from base64 import b64encode
from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO
from typing import Any

import numpy as np
from markupsafe import Markup

from closegap.errors import needs
from closegap.kinds.clip import Clip
from closegap.kinds.clock import clock
from closegap.kinds.frame_choice import FrameChoice
from closegap.kinds.inline_picture import jpeg_address

with needs("video"):
    import av
    from PIL import Image

_STRIP = FrameChoice(5)
_RATE, _SECONDS = 10, 8
_HEIGHT, _SIDE = 96, 240
_CODECS = (  # what browsers play, in this order
    ("webm", "libvpx-vp9", "video/webm", {"deadline": "realtime", "cpu-used": "8", "crf": "38", "b": "0"}),
    ("mp4", "libx264", "video/mp4", {"preset": "veryfast", "crf": "28", "movflags": "+faststart"}),
)


def player(clip: Clip) -> Markup:
    """A JPEG of five frames, and the first eight seconds at ten frames a second, without sound, as WebM.

    Before it plays, the player shows the frame in the middle, since clips often begin in black.

    Raises:
        DataError: nothing that can be seen.
    """
    strip = clip.pictures(_STRIP, _SIDE)
    frames = clip.pictures(FrameChoice(_RATE * _SECONDS, _RATE), _SIDE)
    shown = _encoded(frames)
    picture = Markup('<div class="clip"><img alt="" src="{}">').format(jpeg_address(_side_by_side(strip)))
    if shown is None:
        return picture + Markup("<small>no player: FFmpeg has no encoder for browsers</small></div>")
    kind, content = shown
    return picture + Markup(
        '<video controls muted loop playsinline preload="none" width="{}" height="{}" poster="{}" '
        'src="data:{};base64,{}"></video><small>{}</small></div>'
    ).format(
        *frames[0].size,
        jpeg_address(strip[len(strip) // 2]),
        kind,
        b64encode(content).decode(),
        clock(len(frames) / _RATE),
    )


def _side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """In boxes of one height, none more than twice as wide."""
    tiles = []
    for picture in pictures:
        scale = min(_HEIGHT / picture.height, 2 * _HEIGHT / picture.width)
        width, height = (max(1, round(side * scale)) for side in picture.size)
        tiles.append(picture.resize((width, height), reducing_gap=3.0))
    found = Image.new("RGB", (sum(tile.width + 2 for tile in tiles) - 2, _HEIGHT))
    left = 0
    for tile in tiles:
        found.paste(tile, (left, (_HEIGHT - tile.height) // 2))
        left += tile.width + 2
    return found


def _encoded(pictures: Sequence[Image.Image]) -> tuple[str, bytes] | None:
    """Media type and file of the first encoder that is there; None where none is."""
    width, height = (max(2, side // 2 * 2) for side in pictures[0].size)
    for form, codec, kind, options in _CODECS:
        if codec not in av.codecs_available:
            continue
        buffer = BytesIO()
        with av.open(buffer, "w", format=form, options={"fflags": "+bitexact"}) as made:
            stream: Any = made.add_stream(codec, rate=_RATE, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.thread_count = 1
            for number, picture in enumerate(pictures):
                frame: Any = av.VideoFrame.from_ndarray(np.asarray(picture.resize((width, height))))
                frame.pts, frame.time_base = number, Fraction(1, _RATE)
                made.mux(stream.encode(frame))
            made.mux(stream.encode(None))
        return kind, buffer.getvalue()
    return None
