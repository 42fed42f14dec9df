"""Embeddings of a whole split: every view of every case."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.batch import move
from closegap.data import Case
from closegap.data.loader import Views, take
from closegap.distributed import gather_rows, rank, world_size
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.infer.prepared import Prepared
from closegap.models.ahead import ahead
from closegap.models.model import Model


@torch.no_grad()
def embed(model: Model, split: Prepared, device: torch.device, batch_size: int = 256) -> EmbeddingSet:
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
    rows = rows_of_cases(cases)
    embeddings, present = {}, {}
    for name in model.modalities:
        values = embed_views(model, name, split.views[name], device, batch_size)
        starts = split.views[name].starts.tolist()
        picks = [starts[i] + v if starts[i] + v < starts[i + 1] else -1 for i, v in rows]
        index = torch.tensor(picks, dtype=torch.long)
        present[name] = index >= 0
        embeddings[name] = torch.zeros(len(rows), model.dim).index_put((present[name],), values[index[present[name]]])
    return EmbeddingSet(embeddings, present=present, **described([cases[i] for i, _ in rows]))


def rows_of_cases(cases: Sequence[Case]) -> list[tuple[int, int]]:
    """Case and view of each row of the cases' embedding set."""
    return [(i, v) for i, case in enumerate(cases) for v in range(max(1, *map(len, case.views.values())))]


@torch.no_grad()
def embed_views(
    model: Model, name: str, views: Views, device: torch.device, batch_size: int = 256
) -> Float[Tensor, "k d"]:
    """Embeddings of every item of one modality, on the CPU, moved by the model's post-hoc map where it has one.

    Processes that train together all call this, each embeds its share of the items, and all get the whole.

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
    items = _share(len(views.items))
    batches = [items[first : first + batch_size] for first in range(0, len(items), batch_size)]
    parts = [torch.empty(0, model.dim, device=device)]
    for inputs in ahead(lambda batch: take(views, batch, preparer), batches):
        parts.append(model.encode(name, move(inputs, device)))
    model.train(training)
    return model.corrected(name, gather_rows(torch.cat(parts))[: len(views.items)].cpu())


def _share(count: int) -> list[int]:
    """This process's items of `count`, as many as every other's: sharded models want equal numbers of passes.

    One after the other, shares are all items in order, and then repeats of the last.
    """
    share = -(-count // world_size())
    return [min(item, count - 1) for item in range(rank() * share, (rank() + 1) * share)]


def described(cases: Sequence[Case]) -> dict[str, Any]:
    """What an embedding set says of its rows."""
    labels = sorted({name for case in cases for name in case.labels})
    concepts = [case.concepts for case in cases]
    return {
        "ids": [case.id for case in cases],
        "groups": [case.group for case in cases],
        "labels": {name: [case.labels.get(name, "") for case in cases] for name in labels},
        "concepts": concepts if any(concepts) else None,
    }
