"""All that happens to a modality's prepared items, as one module of plain tensors."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_unflatten

from closegap.export.affine import affine_posthoc
from closegap.models.model import Model
from closegap.posthoc import PostHoc


class ModalityGraph(nn.Module):
    """Tower, head, post-hoc map, and what normalises after each of the two: from prepared items to unit vectors.

    The map is computed in the model's precision rather than in float64.

    Args:
        model: on the CPU.
        modality: one of its own.
        layout: of the items that the modality's preparer makes; the module takes their leaves.
    """

    def __init__(self, model: Model, modality: str, layout: TreeSpec) -> None:
        super().__init__()
        self.tower, self.head = model.encoder(modality), model.heads[modality]
        self.correction = None if model.posthoc is None else _correction(model.posthoc, modality)
        self._layout = layout

    def forward(self, *leaves: Tensor) -> Float[Tensor, "n k"]:
        """Unit vectors."""
        rows: Tensor = F.normalize(self.head(self.tower(tree_unflatten(list(leaves), self._layout))).float(), dim=-1)
        if self.correction is None:
            return rows
        moved: Tensor = self.correction(rows)
        norms = moved.norm(dim=1, keepdim=True)
        unit: Tensor = moved / norms
        if unit.shape[1] != rows.shape[1]:
            return unit
        return torch.where(norms > torch.finfo(rows.dtype).eps, unit, rows)  # as `PostHoc.transform` has it


class _Moved(nn.Module):
    """A map that is not affine, as its method writes it; numbers in its state are numbers, so that it may ask them."""

    def __init__(self, posthoc: PostHoc, modality: str, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._posthoc, self._modality = posthoc, modality
        self._state: dict[str, Any] = {
            name: value.float() if value.ndim else float(value) for name, value in state.items()
        }

    def forward(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        return self._posthoc.move(rows, self._modality, self._state)


def _correction(posthoc: PostHoc, modality: str) -> nn.Module:
    found = affine_posthoc(posthoc, modality)
    if found is None:
        assert posthoc.fitted is not None
        return _Moved(posthoc, modality, posthoc.fitted.state)
    width, before = found.weight.shape
    linear = nn.Linear(before, width)
    linear.weight, linear.bias = nn.Parameter(found.weight.float()), nn.Parameter(found.bias.float())
    return linear
