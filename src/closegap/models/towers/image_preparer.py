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
from closegap.models.described import Input, Preparation

with needs("image"):
    from PIL import Image


@dataclass(frozen=True)
class ImagePreparer:
    """Paths or sources to a batch of square RGB images, aspect kept, padded; bytes, so that it travels cheaply."""

    size: int

    def __call__(self, items: Sequence[Path | Image.Image | ImageSource]) -> UInt8[Tensor, "n 3 size size"]:
        """The batch."""
        return torch.from_numpy(np.stack([self._square(item) for item in items])).permute(0, 3, 1, 2)

    @property
    def examples(self) -> Sequence[Image.Image]:
        """A wide image and a tall one."""
        return [Image.linear_gradient("L").resize((90, 60)), Image.radial_gradient("L").resize((40, 80))]

    def described(self, folder: Path) -> Preparation:
        """Decoding, padding, resizing; normalisation is the tower's."""
        del folder
        steps = {
            "colour": "RGB",
            "resize": {"longest_side": self.size, "filter": "bicubic", "reducing_gap": 3.0},
            "draft": {"format": "JPEG", "longest_side": 2 * self.size},
            "pad": {"to": [self.size, self.size], "where": "centre", "value": 0},
            "layout": "channels first",
        }
        return Preparation((Input("pixels", "uint8", ("n", 3, self.size, self.size)),), steps)

    def _square(self, item: Path | Image.Image | ImageSource) -> UInt8[np.ndarray, "size size 3"]:
        with decoded(item, self.size) as image:
            return np.asarray(pad_to_square(image, self.size))
