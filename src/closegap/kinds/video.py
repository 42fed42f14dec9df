"""Moving pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from markupsafe import Markup

from closegap.kinds.clip import Clip
from closegap.kinds.clip_player import player
from closegap.kinds.timed import TimedKind
from closegap.kinds.viewing import AS_IT_IS, Viewing

_MAGIC: Mapping[bytes, str] = {
    b"GIF8": ".gif",
    b"\x1a\x45\xdf\xa3": ".webm",
    b"\x00\x00\x01\xba": ".mpg",
    b"\x89PNG": ".png",
    b"FLV": ".flv",
}
_RIFF: Mapping[bytes, str] = {b"AVI ": ".avi", b"WEBP": ".webp"}


@dataclass(frozen=True)
class VideoKind(TimedKind):
    """Clips: each a path or a `Clip`, of which frames are decoded when they are needed.

    Any file that FFmpeg reads, animated GIF, WebP and PNG too, whatever it is called; turned upright as it says, pixels
    made square, transparency laid over black. Refused are files without moving pictures, of fewer than two frames,
    truncated where the format shows it, of more than an hour where no part is named, of frames of more than 33 million
    pixels. All times of a clip and eight of its frames are looked at.

    Args:
        viewing: which part of a clip is seen, and how large.
    """

    viewing: Viewing = AS_IT_IS

    noun: ClassVar[str] = "clip"
    made: ClassVar[type[Any]] = Clip

    @property
    def settings(self) -> Viewing:
        """What of it is seen."""
        return self.viewing

    def pack(self, item: Any) -> bytes:
        """The file's own bytes where it is seen whole and in its size; otherwise what is seen, without loss."""
        clip: Clip = self.parse(item)
        return clip.cut() if str(clip.viewing) else clip.content()

    def suffix(self, packed: bytes) -> str:
        """That of the format."""
        if packed[4:8] == b"ftyp":
            return ".mov" if packed[8:12] == b"qt  " else ".mp4"
        found = next((suffix for magic, suffix in _MAGIC.items() if packed.startswith(magic)), ".video")
        return _RIFF.get(packed[8:12], found) if packed.startswith(b"RIFF") else found

    def show(self, item: Any) -> Markup:
        """Five frames side by side, and a player of the first eight seconds."""
        return player(self.parse(item))
