"""A model as mteb evaluates models."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from closegap.errors import UsageError, needs
from closegap.kinds import ImageKind, TextKind
from closegap.models.model import Model

with needs("mteb"):
    from mteb.models import ModelMeta

_COLUMNS = {"image": ImageKind, "text": TextKind}  # of mteb's batches


class MtebEncoder:
    """Embeds texts and images of mteb's tasks: `mteb.evaluate(MtebEncoder(model), tasks)`.

    An item of both, such as an image with an instruction, is the normalised sum of its unit vectors.

    Args:
        model: with a tower of texts, of images, or of both; the first of each is taken.
        name: in mteb's results, as ORGANISATION/NAME.
        batch_size: items at once.

    Raises:
        UsageError: a model with neither.
    """

    def __init__(self, model: Model, name: str = "closegap/model", batch_size: int = 64) -> None:
        self.model, self._batch_size = model, batch_size
        self._towers = {
            column: own
            for column, kind in _COLUMNS.items()
            for own in reversed(model.modalities)
            if model.encoder(own).takes is kind
        }
        if not self._towers:
            raise UsageError(f"mteb has texts and images, the model embeds {', '.join(model.modalities)}")
        self.mteb_model_meta = ModelMeta.create_empty(
            {"name": name, "revision": "local", "modalities": list(self._towers), "embed_dim": model.dim}
        )

    def encode(
        self,
        inputs: Iterable[Mapping[str, Sequence[Any]]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **kwargs: Any,
    ) -> Float[Tensor, "n d"]:
        """Unit vectors of the items of all batches, in their order, on the CPU; see mteb's EncoderProtocol.

        Args:
            inputs: batches, each a mapping from column to items.
            task_metadata: of the task; named where it cannot be done.
            hf_split: not looked at, and so are the rest: a CLIP-like model has no prompts.
            hf_subset: see there.
            prompt_type: see there.
            kwargs: see there.

        Raises:
            UsageError: a task of neither texts nor images that the model embeds.
        """
        del hf_split, hf_subset, prompt_type, kwargs
        rows = [self._batch(batch, str(task_metadata.name)) for batch in inputs]
        return torch.cat(rows) if rows else torch.empty(0, self.model.dim)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Float[Tensor, "n m"]:
        """Cosines of all with all."""
        return _rows(embeddings1) @ _rows(embeddings2).T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Float[Tensor, "n"]:
        """Cosines row by row."""
        return (_rows(embeddings1) * _rows(embeddings2)).sum(-1)

    def _batch(self, batch: Mapping[str, Sequence[Any]], task: str) -> Float[Tensor, "n d"]:
        items: dict[str, Any] = {own: list(batch[column]) for column, own in self._towers.items() if column in batch}
        found = [rows.cpu() for rows in self.model.embed(batch_size=self._batch_size, **items).values()]
        if not found:
            raise UsageError(f"{task}: items of {', '.join(batch)}, the model embeds {', '.join(self._towers)}")
        return found[0] if len(found) == 1 else normalize(torch.stack(found).sum(0), dim=-1)


def _rows(values: Any) -> Float[Tensor, "n d"]:
    rows = torch.as_tensor(values).float()
    return normalize(rows[None] if rows.ndim == 1 else rows, dim=-1)
