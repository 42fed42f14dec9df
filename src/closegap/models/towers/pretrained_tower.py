"""What towers of transformers have in common, whatever they take."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from logging import ERROR
from pathlib import Path
from typing import Any, Self

import torch

from closegap.errors import ClosegapError, needs
from closegap.models.base import Encoder
from closegap.models.towers.freezing import numbered_blocks, train_last_blocks
from closegap.models.towers.lora import train_low_rank

with needs("text"):
    from transformers.utils import logging

_HERE = "."  # the folder of the saved model, wherever that is


class PretrainedTower(Encoder):
    """A model of transformers beside what prepares its inputs: both are named, and saved, as that library does."""

    tower: Any
    _preparing: Any

    def _adopt(
        self,
        tower: Any,
        preparing: Any,
        trained_blocks: int | None,
        checkpointing: bool,
        unused: Sequence[str] = (),
        lora: int | None = None,
    ) -> None:
        """Take a model as the tower, its last blocks to be trained.

        Args:
            tower: the model.
            preparing: its tokenizer or processor.
            trained_blocks: see `train_last_blocks`.
            checkpointing: recompute activations in the backward pass.
            unused: beginnings or middles of names of parameters that are never in the graph: distributed training
                would wait for their gradients.
            lora: see `train_low_rank`; None trains the blocks' own weights.
        """
        self.tower, self._preparing = tower, preparing
        if checkpointing:
            tower.gradient_checkpointing_enable()
        fixed = {key for key, parameter in tower.named_parameters() if not parameter.requires_grad}
        train_last_blocks(tower, numbered_blocks(tower), trained_blocks)
        for key, parameter in tower.named_parameters():
            if key in fixed or any(part in key for part in unused):
                parameter.requires_grad_(False)
        if lora is not None:
            train_low_rank(tower, lora)

    def pack(self, folder: Path) -> Mapping[str, Any]:
        """Config, and tokenizer or processor, as transformers writes them, and the arguments beside the name."""
        self.tower.config.save_pretrained(folder)
        self._preparing.save_pretrained(folder)
        return {**super().pack(folder), "name": _HERE, "pretrained": False}

    @classmethod
    def unpack(cls, folder: Path, arguments: Mapping[str, Any]) -> Self:
        """The tower of that config, with random weights."""
        return cls(**{**arguments, "name": str(folder)})


def loaded(
    models: Any, place: str, what: str, options: Mapping[str, Any], unused: Sequence[str] = (), **more: Any
) -> Any:
    """The model in a folder or on a hub, in float32, with all its weights.

    Args:
        models: a class of transformers.
        place: that `from_transformers` gave.
        what: is loaded, for messages.
        options: that `from_transformers` gave.
        unused: parts of names of weights that may be missing.
        more: that the class takes, such as a config.

    Raises:
        ClosegapError: weights are missing.
    """
    with _quiet():
        model, found = models.from_pretrained(
            place, dtype=torch.float32, output_loading_info=True, use_safetensors=True, **more, **options
        )
    missing = sorted(key for key in found["missing_keys"] if not any(part in key for part in unused))
    if missing:
        raise ClosegapError(f"{what}: its weights lack {missing[0]} ({len(missing)} such tensors)")
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Without a table of all that a folder holds of another tower."""
    before = logging.get_verbosity()
    logging.set_verbosity(ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)
