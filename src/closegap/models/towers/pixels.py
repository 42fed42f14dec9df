"""From images to what an image processor of transformers makes of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from closegap.errors import needs
from closegap.files import digest
from closegap.kinds.decoding import decoded
from closegap.kinds.image_source import ImageSource

with needs("image"):
    from PIL import Image

_PIXELS = "pixel_values"


class PixelPreparer:
    """Images, decoded in full as upright RGB, to what an image processor of transformers makes of each.

    Args:
        processor: of transformers.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def __call__(self, items: Sequence[Path | Image.Image | ImageSource]) -> Tensor | dict[str, Tensor]:
        """The batch: pixels, and what goes with them, by name, where there is more."""
        rows = [self._one(item) for item in items]
        found = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
        return found[_PIXELS] if list(found) == [_PIXELS] else found

    def _one(self, item: Path | Image.Image | ImageSource) -> dict[str, Tensor]:
        with decoded(item) as image:
            made = self._processor(images=image, return_tensors="pt")
        return {name: torch.as_tensor(value) for name, value in made.items()}

    def __repr__(self) -> str:
        return f"PixelPreparer({digest(self._processor.to_json_string().encode())})"


def named_pixels(inputs: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    """A batch of `PixelPreparer` as a model of transformers takes it."""
    return {_PIXELS: inputs} if isinstance(inputs, Tensor) else inputs
