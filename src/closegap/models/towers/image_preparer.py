"""From image files to what image towers take."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from closegap.errors import needs
from closegap.kinds.decoding import decoded, pad_to_square
from closegap.kinds.image_source import ImageSource

with needs("image"):
    from PIL import Image


@dataclass(frozen=True)
class ImagePreparer:
    """Paths or sources to a batch of square RGB images, aspect kept, padded; bytes, so that it travels cheaply."""

    size: int

    def __call__(self, items: Sequence[Path | Image.Image | ImageSource]) -> UInt8[Tensor, "n 3 size size"]:
        """The batch."""
        return torch.from_numpy(np.stack([self._square(item) for item in items])).permute(0, 3, 1, 2)

    def _square(self, item: Path | Image.Image | ImageSource) -> UInt8[np.ndarray, "size size 3"]:
        with decoded(item, self.size) as image:
            return np.asarray(pad_to_square(image, self.size))
