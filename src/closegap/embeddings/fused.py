"""Items of several modalities in one embedding: a figure with its caption, a report with its record."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError

_NOWHERE = 1e-6  # of a mean of unit rows, in float32


def fused_name(modalities: Sequence[str]) -> str:
    """The modality of items that show all of these: `image+text`; that of one alone is its own name."""
    return "+".join(modalities)


def with_fused(embeddings: EmbeddingSet, modalities: Sequence[str]) -> EmbeddingSet:
    """The set with one modality more, `fused_name`: z = normalise(mean of z^m), where a row has all of these.

    Args:
        embeddings: unit-norm rows in one space, after whatever closes the gap of their modalities.
        modalities: two or more of the set.

    Raises:
        DataError: modalities of different width, or a row whose modalities are opposite, so that their mean has no
            direction.

    Reference:
        arXiv:2507.19054, weights of one half. There means of modalities are taken off the weighted sum, here each
        modality is corrected, and unit-norm, before they are summed.
    """
    _ = embeddings.width
    name = fused_name(modalities)
    present = torch.stack([embeddings.mask(modality) for modality in modalities]).all(0)
    mean = torch.stack([embeddings.embeddings[modality] for modality in modalities]).double().mean(0)
    norms = mean.norm(dim=1)
    if bool((present & (norms < _NOWHERE)).any()):
        row = int((present & (norms < _NOWHERE)).nonzero()[0, 0])
        raise DataError(f"{name} of row {row} (id '{embeddings.ids[row]}'): its modalities are opposite; leave it out")
    rows = torch.where(present[:, None], mean / torch.where(present, norms, 1.0)[:, None], 0.0)
    like = embeddings.embeddings[modalities[0]]
    return replace(
        embeddings,
        embeddings={**embeddings.embeddings, name: rows.to(like.dtype)},
        present={**embeddings.present, name: present},
    )
