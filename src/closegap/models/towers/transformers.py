"""Text through any transformers encoder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from closegap.batch import Activations
from closegap.bounds import NonNegativeInt, PositiveInt, Width
from closegap.errors import ClosegapError, needs
from closegap.files import digest
from closegap.kinds.text import TextKind
from closegap.models.described import Input, Preparation
from closegap.models.pretrained import expect_plain_config, from_transformers
from closegap.models.towers.cut import Cut, bypassed, can_be_cut
from closegap.models.towers.pretrained_tower import PretrainedTower, loaded

with needs("text"):
    from tokenizers import Tokenizer
    from transformers import AutoConfig, AutoModel, AutoTokenizer

_UNUSED = ("pooler.",)  # a head of some architectures; pooling is done here
_TOKENIZER = "tokenizer.json"


class TokenPreparer:
    """Strings to padded token ids and their attention mask.

    Args:
        tokenizer: a fast tokenizer of transformers; it is copied, since using it changes what padding and truncation it
            carries, also under the hands of another thread.
        max_length: tokens beyond it are cut.

    Raises:
        ClosegapError: a tokenizer without a padding token.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        vocabulary = tokenizer.backend_tokenizer.to_str()
        self.max_length = max_length
        self._vocabulary = digest(vocabulary.encode())
        if tokenizer.pad_token_id is None:
            raise ClosegapError(f"tokenizer {tokenizer.name_or_path!r}: no padding token; give a model that has one")
        self._tokenizer = Tokenizer.from_str(vocabulary)
        self._tokenizer.encode_special_tokens = tokenizer.split_special_tokens
        self._tokenizer.enable_truncation(max_length, direction=tokenizer.truncation_side)
        self._tokenizer.enable_padding(
            direction=tokenizer.padding_side,
            pad_id=tokenizer.pad_token_id,
            pad_type_id=tokenizer.pad_token_type_id,
            pad_token=tokenizer.pad_token,
        )

    def __call__(self, items: Sequence[str]) -> dict[str, Int[Tensor, "n tokens"]]:
        """The batch."""
        encoded = self._tokenizer.encode_batch(list(items))
        return {
            "input_ids": torch.tensor([text.ids for text in encoded], dtype=torch.long),
            "attention_mask": torch.tensor([text.attention_mask for text in encoded], dtype=torch.long),
        }

    def lengths(self, items: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        return [sum(text.attention_mask) for text in self._tokenizer.encode_batch(list(items))]

    @property
    def examples(self) -> Sequence[str]:
        """A short text and a longer one."""
        return ["No effusion.", "A large effusion on the left, and a nodule in the right lung."]

    def described(self, folder: Path) -> Preparation:
        """The tokenizer, which truncates and pads as its file says."""
        self._tokenizer.save(str(folder / _TOKENIZER))
        inputs = tuple(Input(name, "int64", ("n", "tokens")) for name in ("input_ids", "attention_mask"))
        return Preparation(inputs, {"tokenizer": _TOKENIZER, "max_length": self.max_length})

    def __repr__(self) -> str:
        return f"TokenPreparer({self._vocabulary}, {self.max_length})"


class TransformersTextEncoder(PretrainedTower):
    """A transformers encoder with pooling.

    Args:
        name: a hub name or a local directory; `package:<package>/<folder>` names one inside an installed package.
        pooling: "cls" takes the first token's state, "mean" the mean over the text's tokens.
        max_length: tokens beyond it are cut.
        trained_blocks: how many blocks are trained, from the output back; 0 freezes the tower, null trains all of it.
        pretrained: False starts from random weights of the named architecture.
        checkpointing: recompute activations in the backward pass, for less memory.
        lora: rank of the updates that are trained in place of these blocks' own weights; null trains the weights.

    Raises:
        ClosegapError: no such model, locally or on the hub, weights of another one or pickled, or code of its own.
    """

    takes = TextKind

    def __init__(
        self,
        name: str,
        pooling: Literal["cls", "mean"] = "cls",
        max_length: Width = 128,
        trained_blocks: NonNegativeInt | None = 0,
        pretrained: bool = True,
        checkpointing: bool = False,
        lora: PositiveInt | None = None,
    ) -> None:
        super().__init__()
        self._adopt(*_load(name, pretrained), trained_blocks, checkpointing, _UNUSED, lora)
        self.dim = int(self.tower.config.hidden_size)
        self._pool = _POOLING[pooling]
        longest = int(getattr(self.tower.config, "max_position_embeddings", max_length))
        self._preparer = TokenPreparer(self._preparing, min(max_length, longest))
        self._cut_allowed = lora is None  # an update runs beside the weights that it is for, not behind them
        if self.prefix is not None:
            self._cut_allowed = can_be_cut(self, self._preparer(["a", "a b c d"]))

    def preparer(self) -> TokenPreparer:
        """Tokenisation."""
        return self._preparer

    def forward(self, inputs: dict[str, Int[Tensor, "n tokens"]]) -> Float[Tensor, "n dim"]:
        """Pooled states of the last layer."""
        states = self.tower(**inputs).last_hidden_state
        return self._pool(states, inputs["attention_mask"])

    @property
    def prefix(self) -> nn.Module | None:
        """Embeddings and the frozen layers, up to the input of the first trained one."""
        cut = Cut.of(self.tower)
        return _Prefix(bypassed(self.tower, cut.rear)) if self._cut_allowed and cut.front else None

    def resume(self, activations: Activations) -> Float[Tensor, "n dim"]:
        """Pooled states of the last layer."""
        states, lengths = activations.values, activations.lengths
        assert lengths is not None
        mask = (torch.arange(states.shape[1], device=states.device) < lengths[:, None]).long()
        tail = bypassed(self.tower, Cut.of(self.tower).front)
        return self._pool(tail(inputs_embeds=states, attention_mask=mask).last_hidden_state, mask)

    def lengths(self, items: Sequence[str]) -> Sequence[int]:
        """Tokens of each text."""
        return self._preparer.lengths(items) if items else []

    def fingerprint(self) -> str:
        """As every encoder's, pooling included."""
        return digest(super().fingerprint().encode(), self._pool.__name__.encode())


class _Prefix(nn.Module):
    """The first layers of a tower; padding goes to the end, wherever the tokenizer puts it."""

    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, inputs: dict[str, Int[Tensor, "n tokens"]]) -> Activations:
        states, mask = self.tower(**inputs).last_hidden_state, inputs["attention_mask"]
        order = mask.sort(dim=1, descending=True, stable=True).indices.unsqueeze(-1).expand_as(states)
        return Activations((states * mask.unsqueeze(-1).to(states.dtype)).gather(1, order), mask.sum(1))


def _first_token(states: Float[Tensor, "n tokens dim"], mask: Int[Tensor, "n tokens"]) -> Float[Tensor, "n dim"]:
    del mask
    return states[:, 0]


def _mean_token(states: Float[Tensor, "n tokens dim"], mask: Int[Tensor, "n tokens"]) -> Float[Tensor, "n dim"]:
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp_min(1)


_POOLING = {"cls": _first_token, "mean": _mean_token}


def _load(name: str, pretrained: bool) -> tuple[Any, Any]:
    advice = "give a local directory with config, tokenizer, weights"
    with from_transformers("text encoder", name, advice) as (place, options):
        expect_plain_config(place, options)
        tokenizer = AutoTokenizer.from_pretrained(place, use_fast=True, **options)
        if not pretrained:
            config = AutoConfig.from_pretrained(place, **options)
            return AutoModel.from_config(config, trust_remote_code=False), tokenizer  # type: ignore[no-untyped-call]
        return loaded(AutoModel, place, f"text encoder {name!r}", options, _UNUSED), tokenizer
