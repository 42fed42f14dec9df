"""SigLIP's sigmoid loss: every pair of rows is its own yes-or-no question."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from closegap.bounds import Logit
from closegap.losses.base import Loss
from closegap.losses.embedded_batch import EmbeddedBatch
from closegap.losses.precision import full_precision
from closegap.losses.rows import mean_over_pairs, not_negatives
from closegap.losses.tiled_pairs import tiled_pair_sigmoid
from closegap.types import Groups


@full_precision
def pair_sigmoid(
    a: Float[Tensor, "n d"],
    b: Float[Tensor, "n d"],
    temperature: float | Float[Tensor, ""],
    bias: float | Float[Tensor, ""],
    groups: Groups | None = None,
) -> Float[Tensor, ""]:
    """Mean over rows of -log sigmoid(l_ii) - sum_{j != i} log sigmoid(-l_ij): at least 0; lower is better.

    l_ij = a_i . b_j / tau + bias

    Args:
        a: unit-norm rows of one modality.
        b: unit-norm rows of the other; row i is the same case as in `a`.
        temperature: tau > 0, what cosines are divided by.
        bias: what is added to every logit; about -log n makes up for the n - 1 negatives of each positive.
        groups: rows of one group are not each other's negatives.

    Returns:
        The mean over rows; 0, with a gradient of 0, for no rows.

    Example:
        >>> import torch
        >>> round(pair_sigmoid(torch.eye(2), torch.eye(2), temperature=1.0, bias=0.0).item(), 4)
        1.0064

    Reference:
        Zhai et al., Sigmoid loss for language image pre-training, arXiv 2303.15343, equation 1.
    """
    n = len(a)
    logits = a @ b.T / temperature + bias
    negatives = logsigmoid(-logits).masked_fill(not_negatives(groups, n, logits.device), 0.0)
    return -(logsigmoid(logits.diagonal()).sum() + negatives.sum()) / max(n, 1)


class SigLIP(Loss):
    """The sigmoid loss averaged over pairs of modalities, with a learnable bias; the term `contrastive`.

    Large batches are computed tile by tile.

    The bias is a parameter of the loss: hand `loss.parameters()` to the optimiser as well.

    Args:
        bias: where the bias starts.

    Reference:
        Zhai et al., arXiv 2303.15343; they start at a bias of -10 and a temperature of 0.1.
    """

    def __init__(self, bias: Logit = -10.0) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(bias))

    def terms(self, batch: EmbeddedBatch) -> dict[str, Float[Tensor, ""]]:
        """The term `contrastive`; see `Loss.terms`."""
        tau = batch.temperature
        value = mean_over_pairs(
            batch,
            lambda a, b, groups: pair_sigmoid(a, b, tau, self.bias, groups),
            tiled=lambda a, b, groups: tiled_pair_sigmoid(a, b, tau, self.bias, groups),
        )
        return {"contrastive": value}
