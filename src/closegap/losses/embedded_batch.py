"""The batch that losses are computed on, checked once."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.errors import UsageError
from closegap.types import Embeddings, Groups, Present


@dataclass(frozen=True)
class EmbeddedBatch:
    """The embeddings of the global batch and what losses take beside them; to build one checks that the parts fit.

    Args:
        embeddings: unit-norm rows by modality; row i is the same case in each.
        present: which rows have a modality; one without a key is present everywhere. Absent rows are never read.
        temperature: tau > 0, what cosines are divided by.
        progress: share of training done, in [0, 1]; schedules depend on it.
        groups: rows of one group are not each other's negatives.

    Raises:
        UsageError: no modality, modalities of different shapes, masks or groups that are not one entry per row.
    """

    embeddings: Embeddings
    present: Present
    temperature: float | Float[Tensor, ""]
    progress: float = 0.0
    groups: Groups | None = None

    def __post_init__(self) -> None:
        shapes = {name: tuple(rows.shape) for name, rows in self.embeddings.items()}
        if not shapes or any(len(shape) != 2 for shape in shapes.values()) or len(set(shapes.values())) > 1:
            raise UsageError(f"embeddings have shapes {shapes}, expected one (rows, width) for every modality")
        n = len(self)
        for name, mask in self.present.items():
            if name not in shapes:
                raise UsageError(f"presence is given for {name!r}, which is not among the modalities {list(shapes)}")
            if mask.dtype != torch.bool or mask.shape != (n,):
                given = f"{mask.dtype} of shape {tuple(mask.shape)}"
                raise UsageError(f"presence of {name!r} is {given}, expected torch.bool of shape ({n},)")
        if self.groups is not None and self.groups.shape != (n,):
            raise UsageError(f"groups have shape {tuple(self.groups.shape)}, expected ({n},), one number per row")

    def __len__(self) -> int:
        return len(next(iter(self.embeddings.values())))

    @property
    def device(self) -> torch.device:
        """Where the embeddings are."""
        return next(iter(self.embeddings.values())).device
