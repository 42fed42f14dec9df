"""One signal: where it lies, and how it is sampled."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from closegap.errors import DataError
from closegap.kinds.clock import clock
from closegap.kinds.place import Place
from closegap.kinds.room import Room
from closegap.kinds.sampling import AS_RECORDED, Sampling
from closegap.kinds.signals.file import files_of, signal_file
from closegap.kinds.signals.packed import packed
from closegap.kinds.signals.stream import SignalFile
from closegap.kinds.signals.units import in_millivolts
from closegap.kinds.sourced import Sourced, fingerprint_of, place_of, told
from closegap.kinds.traces import Traces

_LONGEST, _FEW = 3600.0, 100_000  # seconds that are taken unasked, or samples of a lead
_MOST = 2**25  # values that are held at once
_BEYOND = 2**40  # samples of a lead that nobody has recorded yet
_LEADS, _RATES = 512, (1e-3, 1e5)
_ADVICE = "name a part: in a cell, signal.dat#t=0,3600, or by the kind's offset and duration"
_ROOM = Room(1024 * 2**20)
_NAMED = 15


@dataclass(frozen=True)
class Waveform:
    """A signal of one or many leads, decoded when it is needed, and then only the part that is taken.

    Args:
        source: a file, the bytes of one as `SignalKind` packs them, or what lies in an archive.
        sampling: how it is sampled.
    """

    source: Sourced
    sampling: Sampling = AS_RECORDED

    @classmethod
    def of_values(
        cls,
        values: Float[np.ndarray, "leads n"],
        rate: float,
        leads: tuple[str, ...] | None = None,
        unit: str = "",
    ) -> "Waveform":
        """The signal that a program has made.

        Args:
            values: of each lead.
            rate: samples of a lead in a second.
            leads: their names; numbers from 1 by default.
            unit: what they are in; voltages become mV.

        Raises:
            DataError: more or fewer leads than names.
        """
        factor, known = in_millivolts(unit)
        rows = np.asarray(np.atleast_2d(values) * factor, np.float32)
        names = leads or tuple(str(number) for number in range(1, len(rows) + 1))
        if len(names) != len(rows):
            raise DataError(f"{len(rows)} leads given and {len(names)} names, expected one for each")
        return cls(packed(Traces(rows, float(rate), tuple(names), (known,) * len(rows))))

    def traces(self, rate: float | None = None, seconds: float | None = None) -> Traces:
        """The samples, after all that `sampling` says.

        Args:
            rate: samples in a second, to which they are resampled; as `sampling` says by default.
            seconds: no more than so many are needed.

        Raises:
            DataError: nothing that can be used: see `check`.
        """
        found = self._taken(None if self.sampling.scale != "recorded" else seconds)
        wanted = rate or self.sampling.rate or found.rate
        found = found.at(wanted).scaled(self.sampling.scale).filled(self.sampling.gaps)
        if seconds is None or (most := max(1, round(seconds * wanted))) >= found.values.shape[1]:
            return found
        return Traces(found.values[:, :most], found.rate, found.leads, found.units)

    def check(self) -> None:
        """Decode the window.

        Raises:
            DataError: no file, no signal, nothing in the window, more than an hour of which no part is named, more than
                33 million values, a lead that is not there, nothing but gaps, only flat leads, values that are not
                finite, a damaged or truncated file.
        """
        self._taken(None)

    def fingerprint(self) -> bytes:
        """Digest of its file, and of those that its header names, and of how it is sampled."""
        beside = files_of(self.source)[1:] if isinstance(self.source, Path) else ()
        source = files_of(self.source)[0] if isinstance(self.source, Path) else self.source
        return fingerprint_of(source, str(self.sampling), "signal", beside)

    def place(self) -> Place | None:
        """Its file, and how it is sampled; of a header, also the state of the files that it names."""
        if not isinstance(self.source, Path):
            return place_of(self.source, str(self.sampling))
        first, *others = files_of(self.source)
        states = [status for file in others if (status := _state(file))]
        return place_of(first, ", ".join(filter(None, [*states, str(self.sampling)])))

    def __str__(self) -> str:
        return told(self.source, str(self.sampling), "signal")

    def _taken(self, seconds: float | None) -> Traces:
        """The leads of the window, at their own rate; or of no more than `seconds` of it."""
        with signal_file(self.source, self.sampling, str(self)) as file:
            first, last = self._window(file, seconds)
            with _ROOM.taken((last - first) * len(file.leads) * 16):
                values = file.values(first, last)
            if not values.shape[1]:
                raise DataError(f"{self}: no sample is there; fetch it again")
            found = Traces(values, file.rate, file.leads, file.units)
        if self.sampling.leads is not None:
            if self.sampling.missing == "refused" and (lacking := found.lacking(self.sampling.leads)):
                there = ", ".join(found.leads[:_NAMED]) + (", ..." if len(found.leads) > _NAMED else "")
                raise DataError(f"{self}: no lead {lacking[0]!r}, it has {there}; or let missing leads be nan")
            found = found.of(self.sampling.leads)
        self._expect_sound(found, whole=seconds is None)
        return found

    def _window(self, file: SignalFile, seconds: float | None) -> tuple[int, int]:
        """The first sample and the end of the window."""
        low, high = _RATES
        if not low <= file.rate <= high:
            raise DataError(f"{self}: {file.rate:g} samples a second, expected {low:g} to {high:,.0f}; is it damaged?")
        if not 0 < len(file.leads) <= _LEADS:
            raise DataError(f"{self}: {len(file.leads):,} leads, expected 1 to {_LEADS}; is its header damaged?")
        if file.samples > _BEYOND:
            raise DataError(f"{self}: says that it has more than {_BEYOND:,} samples a lead; is its header damaged?")
        offset, duration = self.sampling.offset, self.sampling.duration
        first = min(round(offset * file.rate), file.samples)
        length = file.samples - first
        if length < 1:
            begins = f"ends before {clock(offset)}; name an earlier part" if offset else "no samples; fetch it again"
            raise DataError(f"{self}: {begins}")
        if duration is None and seconds is None and length > max(_LONGEST * file.rate, _FEW):
            lasts = clock(file.samples / file.rate)
            raise DataError(f"{self}: lasts {lasts}, expected at most {clock(_LONGEST)}; {_ADVICE}")
        for bound in (duration, seconds):
            length = length if bound is None else min(length, max(1, round(bound * file.rate)))
        if (values := length * len(file.leads)) > _MOST:
            raise DataError(f"{self}: {values:,} values, expected at most {_MOST:,}; {_ADVICE}")
        return first, first + length

    def _expect_sound(self, found: Traces, whole: bool) -> None:
        values = found.values
        if np.isfinite(values.sum(dtype=np.float64)):  # no gap, nothing infinite: most signals
            low, high = values.min(axis=1), values.max(axis=1)
        else:
            if np.isinf(values).any():
                raise DataError(f"{self}: a value beyond all measure, expected finite ones; export it again")
            known = ~np.isnan(values)
            if whole and not known.any():
                raise DataError(f"{self}: nothing was recorded, every value is NaN; leave it out")
            low = np.min(values, axis=1, initial=np.inf, where=known)
            high = np.max(values, axis=1, initial=-np.inf, where=known)
        if whole and not (high > low).any():  # of a part, what comes behind may be sound, and `check` looks at it
            raise DataError(f"{self}: flat, no lead changes; leave it out")


def _state(file: Path) -> str:
    """Size and time of a file that a header names; "" where it is not there."""
    try:
        status = file.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"
