"""The contrastive step: gather embeddings over processes, one loss on the global batch."""

from jaxtyping import Float
from torch import Tensor

from closegap.distributed import gather_batch
from closegap.losses.base import Loss
from closegap.types import Embeddings, Groups, Present


def contrastive_terms(
    loss: Loss,
    embeddings: Embeddings,
    present: Present,
    temperature: Float[Tensor, ""],
    groups: Groups,
    progress: float,
    mask_groups: bool,
) -> dict[str, Float[Tensor, ""]]:
    """The loss terms of the global batch.

    Every process computes the loss on all rows; the gather's backward sums the processes' gradients, so that the mean
    which data-parallel training takes over processes is the gradient of the global loss.

    Args:
        loss: what is minimised.
        embeddings: this process's rows.
        present: which of them have a modality.
        temperature: what cosines are divided by.
        groups: of this process's rows.
        progress: share of training done.
        mask_groups: rows of one group are not each other's negatives.
    """
    embeddings, present, known = gather_batch(embeddings, present, groups)
    terms: dict[str, Tensor] = loss(embeddings, present, temperature, progress, known if mask_groups else None)
    return terms
