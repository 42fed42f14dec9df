"""From image files to what image towers take."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from closegap.errors import needs
from closegap.kinds.decoding import load_image, pad_to_square
from closegap.kinds.image_source import ImageSource

with needs("image"):
    from PIL import Image


@dataclass(frozen=True)
class ImagePreparer:
    """Paths or sources to a batch of square RGB images, aspect kept, padded; bytes, so that it travels cheaply."""

    size: int

    def __call__(self, items: Sequence[Path | Image.Image | ImageSource]) -> UInt8[Tensor, "n 3 size size"]:
        """The batch."""
        images = [np.asarray(pad_to_square(load_image(item, self.size), self.size)) for item in items]
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
