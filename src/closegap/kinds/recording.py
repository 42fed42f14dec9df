"""One sound: where it lies, and how it is heard."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import Float32

from closegap.errors import DataError, needs
from closegap.kinds.clock import clock
from closegap.kinds.listening import AS_IT_IS, Listening
from closegap.kinds.place import Place
from closegap.kinds.room import Room
from closegap.kinds.sound_stream import SoundStream, sound_stream
from closegap.kinds.sourced import Sourced, content_of, fingerprint_of, place_of, told
from closegap.kinds.stored import Stored

with needs("audio"):
    import soundfile
    import soxr

_LONGEST = 600.0  # seconds that are heard unasked
_SHORTEST = 0.01
_ADVICE = (
    f"expected at most {_LONGEST / 60:.0f} minutes unless a part is named: in a cell, recording.wav#t=60,90, "
    "or by the kind's offset and duration"
)
_ROOM = Room(512 * 2**20)


@dataclass(frozen=True)
class Recording:
    """A sound that is decoded when it is needed, and then only the part that is heard.

    Args:
        source: a file, the bytes of one, or what lies in an archive.
        listening: how it is heard.
    """

    source: Sourced
    listening: Listening = AS_IT_IS

    @classmethod
    def of_samples(
        cls, samples: Float32[np.ndarray, "n channels"] | Float32[np.ndarray, "n"], rate: int
    ) -> "Recording":
        """The recording that a program has made, kept as WAV in float32."""
        buffer = BytesIO()
        soundfile.write(buffer, np.asarray(samples, np.float32), rate, "FLOAT", format="WAV")
        return cls(buffer.getvalue())

    def samples(
        self, rate: int | None = None, seconds: float | None = None
    ) -> tuple[Float32[np.ndarray, "channels n"], int]:
        """What is heard, full scale at 1, and how many samples of it make a second.

        Args:
            rate: samples in a second, to which it is resampled; its own by default.
            seconds: no more than so many are needed. Unless the window has to be known as a whole, to be trimmed or
                levelled, only these are decoded.

        Raises:
            DataError: nothing that can be heard: see `check`.
        """
        with self._opened() as stream:
            wanted = rate or stream.rate
            partial = None if self.listening.of_all else seconds
            channels = 1 if self.listening.channels == "mono" else stream.channels
            bounds = (self.listening.duration or _LONGEST, partial, stream.seconds)
            longest = min(bound for bound in bounds if bound is not None)
            with _ROOM.taken(int(longest * wanted * channels * 8)):
                resampler = None if wanted == stream.rate else soxr.ResampleStream(stream.rate, wanted, channels)
                parts = list(
                    self._window(stream, partial) if resampler is None else self._resampled(stream, partial, resampler)
                )
                found = self.listening.applied((parts[0] if len(parts) == 1 else np.concatenate(parts)).T, wanted)
        most = found.shape[1] if seconds is None else round(seconds * wanted)
        return np.ascontiguousarray(found[:, :most]), wanted

    def check(self) -> None:
        """Decode the window without keeping it.

        Raises:
            DataError: no file, no sound, nothing in the window, sound of more than ten minutes of which no part is
                named, samples that are not finite or all alike, a damaged or truncated file.
        """
        with self._opened() as stream:
            for _ in self._window(stream, None):
                pass

    def content(self) -> bytes:
        """The bytes of its file.

        Raises:
            DataError: it cannot be read.
        """
        return content_of(self.source, "recording")

    def fingerprint(self) -> bytes:
        """Digest of its file, which is read piece by piece, and of how it is heard."""
        return fingerprint_of(self.source, str(self.listening), "recording")

    def place(self) -> Place | None:
        """Its file, and which part of that is heard in which way; None of bytes."""
        return place_of(self.source, str(self.listening))

    def __str__(self) -> str:
        return told(self.source, str(self.listening), "recording")

    def _opened(self) -> AbstractContextManager[SoundStream]:
        source = self.source.content() if isinstance(self.source, Stored) else self.source
        return sound_stream(source, str(self))

    def _resampled(
        self, stream: SoundStream, seconds: float | None, resampler: Any
    ) -> Iterator[Float32[np.ndarray, "frames channels"]]:
        """The window at another rate."""
        before: Float32[np.ndarray, "frames channels"] | None = None
        for block in self._window(stream, seconds):
            if before is not None:
                yield resampler.resample_chunk(before)
            before = block
        assert before is not None
        yield resampler.resample_chunk(before, last=True)

    def _window(self, stream: SoundStream, seconds: float | None) -> Iterator[Float32[np.ndarray, "frames channels"]]:
        """The part that is heard, block by block, channels as they are heard; or no more than `seconds` of it."""
        offset, duration = self.listening.offset, self.listening.duration
        longest = round((_LONGEST if duration is None else duration) * stream.rate)
        if duration is None and stream.seconds is not None and stream.seconds - offset > _LONGEST:
            raise DataError(f"{self}: lasts {clock(stream.seconds)}, {_ADVICE}")
        wanted = longest if seconds is None else min(longest, round(seconds * stream.rate))
        taken, varies = 0, False
        level = np.float32(0)
        for block in stream.blocks(round(offset * stream.rate)):
            if duration is None and taken + len(block) > longest:
                raise DataError(f"{self}: lasts longer than {clock(_LONGEST)}, {_ADVICE}")
            heard = block[: wanted - taken]
            if self.listening.channels == "mono" and stream.channels > 1:
                heard = heard.mean(1, keepdims=True)
            level = level if taken else heard[0, 0]
            varies = varies or bool(heard[-1, 0] != level or (heard != level).any())
            taken += len(heard)
            if not np.isfinite(np.vdot(heard, heard)):
                raise DataError(
                    f"{self}: a sample that is no number or beyond all measure, within the first "
                    f"{clock(taken / stream.rate)}; expected about -1 to 1; export it again"
                )
            yield heard
            if taken >= wanted and (duration is not None or seconds is not None):
                break
        ended = clock(offset + taken / stream.rate)
        if not taken:
            raise DataError(
                f"{self}: " + (f"ends before {clock(offset)}; name an earlier part" if offset else "no sound")
            )
        if taken < min(_SHORTEST * stream.rate, wanted):
            raise DataError(f"{self}: ends at {ended}, expected at least {_SHORTEST} s of sound")
        if not varies and (seconds is None or taken < round(seconds * stream.rate)):
            raise DataError(f"{self}: silent, every sample up to {ended} is {level:g}; leave it out")
