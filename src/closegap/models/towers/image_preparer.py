"""From image files to what image towers take."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from closegap.files import digest
from closegap.kinds.decoding import load_image, pad_to_square
from closegap.kinds.image_source import ImageSource


@dataclass(frozen=True)
class ImagePreparer:
    """Paths, sources or pictures to a batch of square RGB images, aspect kept, padded; bytes, to travel cheaply."""

    size: int

    def __call__(self, items: Sequence[Path | str | ImageSource | Image.Image]) -> UInt8[Tensor, "n 3 size size"]:
        """The batch."""
        images = [np.asarray(pad_to_square(load_image(_source(item), self.size), self.size)) for item in items]
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class _Picture:
    """A picture in memory."""

    image: Image.Image

    def open(self) -> Image.Image:
        """A copy."""
        return self.image.copy()

    def fingerprint(self) -> bytes:
        """Of its pixels."""
        return digest(f"{self.image.mode}{self.image.size}".encode(), self.image.tobytes()).encode()


def _source(item: Path | str | ImageSource | Image.Image) -> Path | ImageSource:
    if isinstance(item, Image.Image):
        return _Picture(item)
    return Path(item) if isinstance(item, str) else item
