"""Small towers of signals, trained from scratch on their samples."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from closegap.bounds import Depth, Hertz, NonNegativeFloat, Seconds, Share, ShareBelowOne, Width
from closegap.errors import UsageError
from closegap.kinds.signal import SignalKind
from closegap.models.base import Encoder
from closegap.models.towers.residual import Stage, shorter
from closegap.models.towers.signal_noise import SignalNoise
from closegap.models.towers.signal_preparer import STANDARD_LEADS, SignalPreparer, recorded
from closegap.models.towers.strips import StripTransformer

_KERNEL, _STRIDE = 7, 2


class SmallSignalEncoder(Encoder):
    """A convolutional tower over time, all leads together: mean and largest of all moments, added.

    Nothing beyond a signal's end has any part in its features; leads that are not there are 0.

    Args:
        leads: that are taken, by name; the twelve of an electrocardiogram by default.
        rate: samples in a second, to which everything is resampled.
        seconds: that are taken of each signal; the rest is cut.
        scale: of each lead: "centred" takes its median from it, "standard" gives it deviation 1, "recorded" leaves it.
        widths: channels of each stage; every stage halves the moments.
        noise: see `SignalNoise`, which is what is done to signals in training; 0 leaves them alone, as for `shift`
            and `dropped`.
        shift: see there.
        dropped: see there.

    Raises:
        UsageError: more stages than the moments can be halved.

    Reference:
        Strodthoff et al. 2021, Deep Learning for ECG Analysis: residual networks over time, pooled by mean and maximum.
    """

    takes = SignalKind
    one_shape = True

    def __init__(
        self,
        leads: Sequence[str] = STANDARD_LEADS,
        rate: Hertz = 100.0,
        seconds: Seconds = 10.0,
        scale: Literal["recorded", "centred", "standard"] = "centred",
        widths: Sequence[Width] = (32, 64, 96, 128),
        noise: NonNegativeFloat = 0.05,
        shift: Share = 0.2,
        dropped: ShareBelowOne = 0.1,
    ) -> None:
        super().__init__()
        self._preparer = SignalPreparer(tuple(leads), rate, seconds, scale)
        if not widths or self._preparer.frames < (least := 2 ** (len(widths) + 1)):
            raise UsageError(
                f"SmallSignalEncoder.widths: {len(widths)} given for {self._preparer.frames} moments, "
                + (f"expected at least {least}" if widths else "expected at least one")
            )
        self.noise = SignalNoise(noise, shift, dropped)
        self.stem = nn.Conv1d(len(leads), widths[0], _KERNEL, stride=_STRIDE, padding=_KERNEL // 2)
        self.stages = nn.ModuleList([Stage(a, b, nn.Conv1d, _KERNEL) for a, b in pairwise(widths)])
        self.dim = widths[-1]
        self.norm = nn.LayerNorm(self.dim)

    def preparer(self) -> SignalPreparer:
        """Decoding, resampling, scaling."""
        return self._preparer

    def forward(self, inputs: Float[Tensor, "n leads frames"]) -> Float[Tensor, "n dim"]:
        """Features by what is where in a beat."""
        values = self.noise(inputs)
        beyond = -values.shape[2] % (_STRIDE * 2 ** len(self.stages))
        mask = shorter(F.pad(recorded(values), (0, beyond))[:, None], _STRIDE)
        cells = self.stem(F.pad(values.nan_to_num(), (0, beyond))) * mask
        for stage in self.stages:
            mask, before = shorter(mask, 2), mask
            cells = stage(cells, before) * mask
        mean = cells.sum(2) / mask.sum(2).clamp_min(1)
        largest = cells.masked_fill(mask == 0, -torch.inf).amax(2)
        features: Tensor = self.norm(mean + largest)
        return features


class SmallSignalTransformerEncoder(Encoder):
    """A small transformer over patches of a signal, each all leads for a moment, mean-pooled.

    Args:
        leads: that are taken, by name; the twelve of an electrocardiogram by default.
        rate: samples in a second, to which everything is resampled.
        seconds: that are taken of each signal; the rest is cut.
        scale: as of `SmallSignalEncoder`.
        patch: samples of a lead in a patch.
        dim: width of the states.
        layers: transformer layers.
        heads: attention heads.
        dropout: share of units dropped in training.
        noise: as of `SmallSignalEncoder`.
        shift: see there.
        dropped: see there.

    Raises:
        UsageError: a width that the heads do not divide.
    """

    takes = SignalKind
    one_shape = True

    def __init__(
        self,
        leads: Sequence[str] = STANDARD_LEADS,
        rate: Hertz = 100.0,
        seconds: Seconds = 10.0,
        scale: Literal["recorded", "centred", "standard"] = "centred",
        patch: Width = 20,
        dim: Width = 128,
        layers: Depth = 2,
        heads: Width = 4,
        dropout: ShareBelowOne = 0.1,
        noise: NonNegativeFloat = 0.05,
        shift: Share = 0.2,
        dropped: ShareBelowOne = 0.1,
    ) -> None:
        super().__init__()
        self._preparer = SignalPreparer(tuple(leads), rate, seconds, scale)
        self.dim = dim
        self.noise = SignalNoise(noise, shift, dropped)
        name = type(self).__name__
        self.states = StripTransformer(len(leads), self._preparer.frames, patch, dim, layers, heads, dropout, name)

    def preparer(self) -> SignalPreparer:
        """Decoding, resampling, scaling."""
        return self._preparer

    def forward(self, inputs: Float[Tensor, "n leads frames"]) -> Float[Tensor, "n dim"]:
        """Mean state of the patches."""
        values = self.noise(inputs)
        states: Tensor = self.states(values.nan_to_num(), recorded(values))
        return states
