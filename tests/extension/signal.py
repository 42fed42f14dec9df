"""What somebody writes to bring signals, such as a lead of an ECG: their kind and an encoder of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from markupsafe import Markup
from torch import Tensor, nn
from torch.nn.functional import pad

from closegap.errors import DataError
from closegap.kinds import Kind
from closegap.models import Encoder


class SignalKind(Kind):
    """Signals of one dimension: each a tuple of numbers; in a table, the path of a .npy file."""

    noun: ClassVar[str] = "signal"
    visual: ClassVar[bool] = True

    def read(self, cell: Any, folder: Path) -> tuple[float, ...]:
        try:
            values = np.load(folder / cell, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{folder / cell}: no .npy file of a signal ({error})") from error
        return tuple(values.astype(float).ravel().tolist())

    def problem(self, item: Any) -> str | None:
        if not isinstance(item, tuple) or len(item) < 2:
            return "expected a tuple of two samples or more"
        return (
            None if all(isinstance(value, float) and isfinite(value) for value in item) else "expected finite samples"
        )

    def pack(self, item: Any) -> bytes:
        buffer = BytesIO()
        np.save(buffer, np.asarray(item))
        return buffer.getvalue()

    def unpack(self, data: bytes) -> tuple[float, ...]:
        return tuple(np.load(BytesIO(data), allow_pickle=False).tolist())

    def suffix(self, packed: bytes) -> str:
        return ".npy"

    def show(self, item: Any) -> Markup:
        low, high = min(item), max(item)
        points = " ".join(
            f"{200 * i / (len(item) - 1):.1f},{60 * (high - value) / ((high - low) or 1):.1f}"
            for i, value in enumerate(item)
        )
        return Markup(
            '<svg viewBox="0 -2 200 64"><polyline points="{}" fill="none" stroke="currentColor"/></svg>'
        ).format(points)


@dataclass(frozen=True)
class SignalPreparer:
    """Signals cut or padded to one length."""

    length: int

    def __call__(self, items: Sequence[Sequence[float]]) -> Tensor:
        signals = [torch.tensor(item[: self.length], dtype=torch.float32) for item in items]
        return torch.stack([pad(signal, (0, self.length - len(signal))) for signal in signals])


class SignalEncoder(Encoder):
    """A convolution over a signal, averaged over time."""

    takes = SignalKind

    def __init__(self, length: int = 1000, dim: int = 64) -> None:
        super().__init__()
        self.length, self.dim = length, dim
        self.tower = nn.Sequential(nn.Conv1d(1, dim, 16, stride=8), nn.GELU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())

    def preparer(self) -> Callable[[Sequence[Sequence[float]]], Tensor]:
        return SignalPreparer(self.length)

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.tower(inputs[:, None])
        return features
