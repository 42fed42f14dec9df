"""Recordings of sound."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from markupsafe import Markup

from closegap.kinds.audio_player import player
from closegap.kinds.listening import AS_IT_IS, Listening
from closegap.kinds.recording import Recording
from closegap.kinds.timed import TimedKind

_MAGIC: Mapping[bytes, str] = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3", b"\xff": ".mp3"}


@dataclass(frozen=True)
class AudioKind(TimedKind):
    """Sounds: each a path or a `Recording`, decoded when it is needed, and then only the part that is heard.

    Any file that libsndfile or FFmpeg reads, the sound of a video too, whatever it is called. Refused are files that
    are no sound, empty, truncated where the format shows it, or say what they do not hold; sound of less than 10 ms,
    or of more than ten minutes where no part is named; what is silent, or not finite. Clipped sound passes.

    Args:
        listening: how it is heard: which part, mono or all channels, trimmed, levelled.
    """

    listening: Listening = AS_IT_IS

    noun: ClassVar[str] = "recording"
    made: ClassVar[type[Any]] = Recording

    @property
    def settings(self) -> Listening:
        """How it is heard."""
        return self.listening

    def pack(self, item: Any) -> bytes:
        """The file's own bytes where it is heard whole and as it is; otherwise WAV of what is heard."""
        recording: Recording = self.parse(item)
        if not str(recording.listening):
            return recording.content()
        samples, rate = recording.samples()
        content = Recording.of_samples(samples.T, rate).source
        assert isinstance(content, bytes)
        return content

    def suffix(self, packed: bytes) -> str:
        """That of the format."""
        return next((suffix for magic, suffix in _MAGIC.items() if packed.startswith(magic)), ".audio")

    def show(self, item: Any) -> Markup:
        """Spectrogram and player of the first ten seconds."""
        return player(self.parse(item))
