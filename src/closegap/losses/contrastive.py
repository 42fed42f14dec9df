"""InfoNCE, the contrastive objective of CLIP, for any number of modalities."""

from collections.abc import Sequence
from dataclasses import replace
from math import log

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from closegap.errors import UsageError
from closegap.losses.base import Loss
from closegap.losses.embedded_batch import EmbeddedBatch
from closegap.losses.precision import full_precision, raised
from closegap.losses.rows import mean_over_pairs, not_negatives
from closegap.losses.tiled import tiled_info_nce
from closegap.types import Groups

_MOST = log(10)  # of a factor's logarithm, either way


@full_precision
def info_nce(
    a: Float[Tensor, "n d"],
    b: Float[Tensor, "n d"],
    temperature: float | Float[Tensor, ""],
    groups: Groups | None = None,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of telling the true pair from its in-batch negatives: at least 0; lower is better.

    1/2n sum_i [-log softmax_j(a_i . b_j / tau)_i - log softmax_j(a_j . b_i / tau)_i]

    Args:
        a: unit-norm rows of one modality.
        b: unit-norm rows of the other; row i is the same case as in `a`.
        temperature: tau > 0, what cosines are divided by.
        groups: rows of one group are not each other's negatives; the true pair always counts.

    Returns:
        The mean over rows and both directions. 0, with a gradient of 0, for one row or none.

    Example:
        >>> import torch
        >>> a, b = torch.eye(2), torch.eye(2)
        >>> round(info_nce(a, b, temperature=0.5).item(), 4)  # log(1 + exp(-1 / 0.5))
        0.1269

    Reference:
        Radford et al., Learning transferable visual models from natural language supervision, arXiv 2103.00020.
    """
    return pair_cross_entropy(a @ b.T / temperature, groups)


def pair_cross_entropy(logits: Float[Tensor, "n n"], groups: Groups | None = None) -> Float[Tensor, ""]:
    """Mean cross-entropy of rows and of columns against the diagonal, without the rest of a row's group.

    Written as softplus(log sum exp(negatives) - positive), which keeps its digits where the positive dominates and
    the plain form subtracts two nearly equal numbers.
    """
    n = len(logits)
    positives = logits.diagonal()
    negatives = logits.masked_fill(not_negatives(groups, n, logits.device), -torch.inf)
    rows = softplus(negatives.logsumexp(1) - positives)
    columns = softplus(negatives.logsumexp(0) - positives)
    return (rows + columns).sum() / (2 * max(n, 1))


class InfoNCE(Loss):
    """InfoNCE averaged over pairs of modalities; the term `contrastive`.

    Large batches are computed tile by tile, those in bfloat16 on a GPU by Triton kernels.

    With temperatures of their own, modalities a and b are compared at tau sqrt(f_a f_b), tau the model's; each f is
    learned, starts at 1 and stays within 1/10 and 10: a record has fewer ways to differ than a text.

    Args:
        anchor: pair only this modality with each other one; all pairs by default.
        own_temperatures: the modalities that have a factor f; that of the others is 1.

    Raises:
        UsageError: in a batch, a modality with a factor that the batch has not.
    """

    def __init__(self, anchor: str | None = None, own_temperatures: Sequence[str] = ()) -> None:
        super().__init__()
        self.anchor = anchor
        self.log_scales = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in own_temperatures})

    def terms(self, batch: EmbeddedBatch) -> dict[str, Float[Tensor, ""]]:
        """The term `contrastive`; see `Loss.terms`."""
        tau = batch.temperature
        value = mean_over_pairs(
            self._scaled(batch),
            lambda a, b, groups: info_nce(a, b, tau, groups),
            self.anchor,
            tiled=lambda a, b, groups: tiled_info_nce(a, b, tau, groups),
        )
        return {"contrastive": value}

    def _scaled(self, batch: EmbeddedBatch) -> EmbeddedBatch:
        """Rows times 1 / sqrt(f) of their modality: their products then are cosines over sqrt(f_a f_b)."""
        if unknown := [name for name in self.log_scales if name not in batch.embeddings]:
            raise UsageError(
                f"own_temperatures: {unknown[0]!r} is not among the modalities {list(batch.embeddings)}; name these"
            )
        if not len(self.log_scales):
            return batch
        with torch.no_grad():  # the parameter, not its use: past the bound that would have no gradient to come back by
            for scale in self.log_scales.values():
                scale.clamp_(-_MOST, _MOST)
        scales = {name: (scale / 2).exp() for name, scale in self.log_scales.items()}
        rows = {name: raised(x) * scales[name] if name in scales else x for name, x in batch.embeddings.items()}
        return replace(batch, embeddings=rows)
