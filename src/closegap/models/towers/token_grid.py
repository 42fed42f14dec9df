"""An image tower's grid of tokens, for decoders that attend to them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor

from closegap.files import digest
from closegap.models.base import Encoder
from closegap.models.fingerprint import tower_fingerprint


class TokenGrid(Encoder):
    """The tokens of a tower, averaged to a grid and in half precision, so that a data set's fit on a disk.

    Args:
        encoder: a tower that has tokens.
        side: of the grid; a smaller one of the tower's own is kept.
    """

    def __init__(self, encoder: Encoder, side: int) -> None:
        super().__init__()
        self.encoder, self.side, self.dim, self.takes = encoder, side, encoder.dim, encoder.takes

    def preparer(self) -> Callable[[Sequence[Any]], Any]:
        """The tower's."""
        return self.encoder.preparer()

    def forward(self, inputs: Any) -> Float[Tensor, "n m features"]:
        """Tokens, row by row of the grid."""
        grid = self.encoder.grid(inputs)
        height, width = grid.shape[2:]
        pooled = F.adaptive_avg_pool2d(grid, (min(self.side, height), min(self.side, width)))
        return pooled.flatten(2).transpose(1, 2).half()

    def fingerprint(self) -> str:
        """The tower's, and the grid."""
        return digest(tower_fingerprint(self.encoder).encode(), f"grid {self.side}".encode())
