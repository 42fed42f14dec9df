"""A loss from elsewhere: the focal sigmoid over all pairs."""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from closegap.losses import EmbeddedBatch, Loss, mean_over_pairs, sum_over_negatives


def focal_sigmoid(
    a: Tensor, b: Tensor, temperature: float | Tensor, bias: Tensor, focus: float, groups: Tensor | None = None
) -> Tensor:
    """Mean over rows of f(l_ii) + sum_{j != i} f(-l_ij), with f(l) = sigmoid(-l)^focus softplus(-l)."""

    def surprise(logits: Tensor) -> Tensor:
        return (-logits).sigmoid() ** focus * softplus(-logits)

    def wrong(a: Tensor, b: Tensor, temperature: Tensor, bias: Tensor) -> Tensor:
        return surprise(-(a @ b.T / temperature + bias))

    right = surprise((a * b).sum(1) / temperature + bias)
    return (right.sum() + sum_over_negatives(wrong, [a], [b], [temperature, bias], groups)) / max(len(a), 1)


class FocalSigmoid(Loss):
    """Every pair is a question of its own, and those that are settled weigh little; the term `focal`."""

    def __init__(self, focus: float = 2.0, bias: float = -2.0) -> None:
        super().__init__()
        self.focus = focus
        self.bias = nn.Parameter(torch.tensor(bias))

    def terms(self, batch: EmbeddedBatch) -> dict[str, Tensor]:
        def pair(a: Tensor, b: Tensor, groups: Tensor | None) -> Tensor:
            return focal_sigmoid(a, b, batch.temperature, self.bias, self.focus, groups)

        return {"focal": mean_over_pairs(batch, pair)}
