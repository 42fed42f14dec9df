"""Embeddings of a whole split: every view of every case."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.data import Case
from closegap.data.loader import Views, take
from closegap.embedding_set import EmbeddingSet
from closegap.encoders.batch import move
from closegap.encoders.model import MultimodalModel
from closegap.train.prepared import Prepared


@torch.no_grad()
def embed(model: MultimodalModel, split: Prepared, device: torch.device, batch_size: int = 256) -> EmbeddingSet:
    """Embeddings of every view; a case takes as many rows as its richest modality has views.

    Row v of a case holds view v of each modality that has one, so that M single views make one row, and the second
    caption of a figure a row of its own in which the image is absent.

    Args:
        model: the model, in whatever mode; it is evaluated.
        split: the cases.
        device: where the model is.
        batch_size: items at once.
    """
    cases = split.cases
    rows = [(i, v) for i, case in enumerate(cases) for v in range(max(1, *map(len, case.views.values())))]
    embeddings, present = {}, {}
    for name in model.modalities:
        values = embed_views(model, name, split.views[name], device, batch_size)
        starts = split.views[name].starts.tolist()
        picks = [starts[i] + v if starts[i] + v < starts[i + 1] else -1 for i, v in rows]
        index = torch.tensor(picks, dtype=torch.long)
        present[name] = index >= 0
        embeddings[name] = torch.zeros(len(rows), model.dim).index_put((present[name],), values[index[present[name]]])
    return EmbeddingSet(embeddings, present=present, **_described([cases[i] for i, _ in rows]))


@torch.no_grad()
def embed_views(
    model: MultimodalModel, name: str, views: Views, device: torch.device, batch_size: int = 256
) -> Float[Tensor, "k d"]:
    """Embeddings of every item of one modality, on the CPU.

    Args:
        model: the model, in whatever mode; it is evaluated.
        name: the modality.
        views: its items.
        device: where the model is.
        batch_size: items at once.
    """
    training = model.training
    model.eval()
    preparer = model.encoder(name).preparer()
    parts = [torch.empty(0, model.dim)]
    for first in range(0, len(views.items), batch_size):
        items = range(first, min(first + batch_size, len(views.items)))
        parts.append(model.embed(name, move(take(views, items, preparer), device)).cpu())
    model.train(training)
    return torch.cat(parts)


def _described(cases: Sequence[Case]) -> dict[str, Any]:
    """What an embedding set says of its rows."""
    labels = sorted({name for case in cases for name in case.labels})
    concepts = [case.concepts for case in cases]
    return {
        "ids": [case.id for case in cases],
        "groups": [case.group for case in cases],
        "labels": {name: [case.labels.get(name, "") for case in cases] for name in labels},
        "concepts": concepts if any(concepts) else None,
    }
