"""Signals: electrocardiograms and whatever else is recorded by leads over time."""

from dataclasses import dataclass
from typing import Any, ClassVar

from markupsafe import Markup

from closegap.kinds.sampling import AS_RECORDED, Sampling
from closegap.kinds.signal_plot import plot
from closegap.kinds.signals.packed import packed
from closegap.kinds.timed import TimedKind
from closegap.kinds.waveform import Waveform


@dataclass(frozen=True)
class SignalKind(TimedKind):
    """Signals of one or many leads: each a path or a `Waveform`, decoded when it is needed.

    A record of WFDB (its path with or without .hea), CSV, NPY, or a DICOM waveform, whatever it is called. Refused are
    files that are no signal, empty, truncated, or say what they do not hold; a lead that is asked for and not there;
    more than an hour where no part is named; what is flat, never recorded, or not finite. What is packed, cached and
    shown has samples, rate, names of leads and units, and nothing else that a file says: no comment, no tag.

    Args:
        sampling: how it is sampled: rate, leads, which part, scale, gaps.
    """

    sampling: Sampling = AS_RECORDED

    noun: ClassVar[str] = "signal"
    made: ClassVar[type[Any]] = Waveform

    @property
    def settings(self) -> Sampling:
        """How it is sampled."""
        return self.sampling

    def pack(self, item: Any) -> bytes:
        """What is taken of it, in safetensors."""
        return packed(self.parse(item).traces())

    def suffix(self, packed: bytes) -> str:
        """That of safetensors."""
        del packed
        return ".safetensors"

    def show(self, item: Any) -> Markup:
        """A plot of the first ten seconds, the leads below each other."""
        return plot(self.parse(item))
