"""Files of sound and moving pictures, opened by FFmpeg: none of them leads to another file or address."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import Any

from closegap.errors import DataError, needs
from closegap.files import regular

with needs("audio"):
    import av
    from av.container import InputContainer

# What lies in one file. Playlists, sessions and scripts (hls, dash, concat, sdp, ffmetadata, ...) name others.
_FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,apng,asf,au,avi,caf,dsf,eac3,flac,flv,gif,m4v,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,"
    "mp3,mpeg,mpegts,ogg,tta,voc,w64,wav,wv"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}
# A title that is no UTF-8 does not keep the rest from being seen; from PyAV 19 on it never does.
_LENIENT: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}

_FOUND = (av.error.FFmpegError, ValueError, OverflowError, MemoryError, EOFError)


@contextmanager
def opened_file(source: Path | bytes, name: str, noun: str) -> Iterator[RawIOBase | BytesIO]:
    """A file or the bytes of one, at its beginning, closed in the end.

    Args:
        source: where it is.
        name: what errors call it.
        noun: what it is.

    Raises:
        DataError: no such file, or an empty one.
    """
    try:
        # From a file, some libraries read where its descriptor is: nothing may be read ahead.
        file: RawIOBase | BytesIO = (
            BytesIO(source) if isinstance(source, bytes) else regular(source).open("rb", buffering=0)
        )
    except FileNotFoundError:
        raise DataError(f"{name}: no such {noun}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    with file:
        if not (len(source) if isinstance(source, bytes) else os.fstat(file.fileno()).st_size):
            raise DataError(f"{name}: an empty file; fetch it again")
        yield file


@contextmanager
def container(file: RawIOBase | BytesIO, name: str) -> Iterator[InputContainer]:
    """The container in a file, closed in the end; whatever FFmpeg finds wrong meanwhile is one line.

    Args:
        file: at its beginning.
        name: what errors call it.

    Raises:
        DataError: it cannot be read, or not to the end.
    """
    try:
        opened = av.open(file, "r", options=_OPTIONS, **_LENIENT)
    except _FOUND as error:
        raise DataError(f"{name}: no sound or video that can be read ({_reason(error)}); fetch it again") from error
    try:
        with opened:
            yield opened
    except DataError:
        raise
    except _FOUND as error:
        raise DataError(f"{name}: damaged or truncated ({_reason(error)}); fetch it again") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
