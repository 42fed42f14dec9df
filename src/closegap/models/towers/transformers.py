"""Text through any transformers encoder."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from torch import Tensor

from closegap.errors import ClosegapError, needs
from closegap.files import digest
from closegap.models.base import Encoder
from closegap.models.towers.freezing import train_last_blocks
from closegap.models.weights import locate

with needs("text"):
    from transformers import AutoConfig, AutoModel, AutoTokenizer

_UNUSED = "pooler."  # a head of some architectures; pooling is done here
_BLOCK = re.compile(r"(?:^|\.)(?:layer|layers|h|block|blocks)\.(\d+)\.")


class TokenPreparer:
    """Strings to padded token ids and their attention mask."""

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        # Of the tokenizer as it was loaded: using it changes the padding and truncation it carries.
        self._vocabulary = digest(tokenizer.backend_tokenizer.to_str().encode())

    def __call__(self, items: Sequence[str]) -> dict[str, Int[Tensor, "n tokens"]]:
        """The batch."""
        encoded = self.tokenizer(
            list(items), padding=True, truncation=True, max_length=self.max_length, return_tensors="pt", verbose=False
        )
        return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}

    def lengths(self, items: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        encoded = self.tokenizer(list(items), truncation=True, max_length=self.max_length, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def __repr__(self) -> str:
        return f"TokenPreparer({self._vocabulary}, {self.max_length})"


class TransformersTextEncoder(Encoder):
    """A transformers encoder with pooling.

    Args:
        name: a hub name or a local directory; `package:<package>/<folder>` names one inside an installed package.
        pooling: "cls" takes the first token's state, "mean" the mean over the text's tokens.
        max_length: tokens beyond it are cut.
        trained_blocks: how many blocks are trained, from the output back; 0 freezes the tower, null trains all of it.
        pretrained: False starts from random weights of the named architecture.
        checkpointing: recompute activations in the backward pass, for less memory.

    Raises:
        ClosegapError: no such model, locally or on the hub, or weights of another one.
    """

    def __init__(
        self,
        name: str,
        pooling: Literal["cls", "mean"] = "cls",
        max_length: int = 128,
        trained_blocks: int | None = 0,
        pretrained: bool = True,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.tower, tokenizer = _load(locate(name), pretrained)
        self.dim = int(self.tower.config.hidden_size)
        self._pool = _POOLING[pooling]
        longest = int(getattr(self.tower.config, "max_position_embeddings", max_length))
        self._preparer = TokenPreparer(tokenizer, min(max_length, longest))
        if checkpointing:
            self.tower.gradient_checkpointing_enable()
        train_last_blocks(self.tower, _depth(self.tower), trained_blocks)
        for name, parameter in self.tower.named_parameters():
            if name.startswith(_UNUSED):
                parameter.requires_grad_(False)  # never in the graph: distributed training would wait for its gradient

    def preparer(self) -> Callable[[Sequence[str]], dict[str, Tensor]]:
        """Tokenisation."""
        return self._preparer

    def forward(self, inputs: dict[str, Int[Tensor, "n tokens"]]) -> Float[Tensor, "n dim"]:
        """Pooled states of the last layer."""
        states = self.tower(**inputs).last_hidden_state
        return self._pool(states, inputs["attention_mask"])

    def lengths(self, items: Sequence[str]) -> Sequence[int]:
        """Tokens of each text."""
        return self._preparer.lengths(items) if items else []

    def fingerprint(self) -> str:
        """As every encoder's, pooling included."""
        return digest(super().fingerprint().encode(), self._pool.__name__.encode())


def _first_token(states: Float[Tensor, "n tokens dim"], mask: Int[Tensor, "n tokens"]) -> Float[Tensor, "n dim"]:
    del mask
    return states[:, 0]


def _mean_token(states: Float[Tensor, "n tokens dim"], mask: Int[Tensor, "n tokens"]) -> Float[Tensor, "n dim"]:
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp_min(1)


_POOLING = {"cls": _first_token, "mean": _mean_token}


def _load(name: str, pretrained: bool) -> tuple[Any, Any]:
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, use_fast=True)
        if not pretrained:
            return AutoModel.from_config(AutoConfig.from_pretrained(name)), tokenizer  # type: ignore[no-untyped-call]
        tower, loaded = AutoModel.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
    except (OSError, ValueError, SafetensorError) as error:
        what = (
            "the folder is no transformers model"
            if Path(name).is_dir()
            else "neither a local folder nor on a reachable hub"
        )
        raise ClosegapError(
            f"text encoder {name!r}: {what}; give a local directory with config, tokenizer, weights"
        ) from error
    missing = sorted(key for key in loaded["missing_keys"] if not key.startswith(_UNUSED))
    if missing:
        raise ClosegapError(f"text encoder {name!r}: its weights lack {missing[0]} ({len(missing)} such tensors)")
    return tower, tokenizer


def _depth(tower: torch.nn.Module) -> dict[str, int]:
    """Parameter name to block: embeddings 0, layers from 1, what comes after belongs to the last layer."""
    depth, last = {}, 0
    for name, _ in tower.named_parameters():
        found = _BLOCK.search(name)
        last = int(found.group(1)) + 1 if found else last
        depth[name] = last
    return depth
