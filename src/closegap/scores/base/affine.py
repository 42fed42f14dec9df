"""Scores scaled and moved, one gain and one offset for each ordered pair of modalities."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.scores.base.stage import pair


def scaled(
    scores: Float[Tensor, "q t"], query_modality: str, target_modality: str, state: Mapping[str, Tensor]
) -> Float[Tensor, "q t"]:
    """The scores times the gain of their modalities plus the offset, in their dtype.

    Gains are positive, so that rounding never turns an order round.

    Args:
        scores: of queries against targets.
        query_modality: of the queries.
        target_modality: of the targets.
        state: `pair(query, target)` to gain and offset.
    """
    gain, offset = state[pair(query_modality, target_modality)].tolist()
    moved: Float[Tensor, "q t"] = scores * gain + offset
    return moved


def gain_and_offset(gain: float | Tensor, offset: float | Tensor) -> Float[Tensor, "2"]:
    """An entry of the state that `scaled` reads."""
    return torch.stack([torch.as_tensor(value, dtype=torch.float64) for value in (gain, offset)])
