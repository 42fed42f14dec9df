"""From captions to tokens and back.

transformers takes seconds to import, so what needs it imports it when it is called, here and in the decoders: a config
is read without.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Int
from torch import Tensor

from closegap.errors import UsageError, needs
from closegap.files import whole_folder
from closegap.models.pretrained import from_transformers

PADDING = -1
"""What stands in a row of tokens after its end."""

TOKENIZER = "tokenizer"
"""Where in a run's folder it is."""

_SPECIAL = {"pad_token": "<pad>", "bos_token": "<start>", "eos_token": "<end>"}


class CaptionTokenizer:
    """A transformers tokenizer with a start, an end and a longest caption.

    Args:
        tokenizer: any that says where a text starts and ends.
        max_tokens: captions are cut after so many tokens, start and end not counted.

    Raises:
        UsageError: a tokenizer without a token for the start or the end, or captions of no token.
    """

    def __init__(self, tokenizer: Any, max_tokens: int = 48) -> None:
        if max_tokens < 1:
            raise UsageError(f"objective.max_tokens: {max_tokens} given, expected a number above 0")
        ids = {
            "start": _first(tokenizer.bos_token_id, tokenizer.cls_token_id, tokenizer.eos_token_id),
            "end": _first(tokenizer.eos_token_id, tokenizer.sep_token_id),
        }
        for what, found in ids.items():
            if found is None:
                raise UsageError(f"objective.tokenizer: it has no token for the {what} of a text; name another")
        self._tokenizer, self.max_tokens = tokenizer, max_tokens
        self.start, self.end = int(ids["start"]), int(ids["end"])
        self.pad = int(_first(tokenizer.pad_token_id, self.end))

    @classmethod
    def train(cls, captions: Iterable[str], vocabulary: int = 4000, max_tokens: int = 48) -> Self:
        """A byte-level BPE learned from captions: it can write any text and needs no unknown token.

        Args:
            captions: the training captions alone.
            vocabulary: largest number of tokens, bytes and special ones included; few captions give fewer.
            max_tokens: see the class.
        """
        with needs("text"):
            from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
            from transformers import PreTrainedTokenizerFast

        alphabet = pre_tokenizers.ByteLevel.alphabet()
        if vocabulary < len(alphabet) + len(_SPECIAL):
            least = len(alphabet) + len(_SPECIAL)
            raise UsageError(f"objective.vocabulary: {vocabulary} given, expected at least {least}, one token a byte")
        learned: Any = Tokenizer(models.BPE())
        learned.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Strip()])
        learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        learned.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=list(_SPECIAL.values()),
            initial_alphabet=sorted(alphabet),
            show_progress=False,
        )
        learned.train_from_iterator(captions, trainer)
        wrapped: Any = PreTrainedTokenizerFast(tokenizer_object=learned, **_SPECIAL)  # type: ignore[no-untyped-call]
        return cls(wrapped, max_tokens)

    @classmethod
    def load(cls, name: str, max_tokens: int = 48) -> Self:
        """The tokenizer of a folder, or one that is known by name (`package:<package>/<folder>` inside a package).

        Raises:
            ClosegapError: there is none, or it needs code of its own.
        """
        with needs("text"):
            from transformers import AutoTokenizer

        learned = "or leave objective.tokenizer out to learn one from the training captions"
        with from_transformers("tokenizer", name, f"give a folder with tokenizer.json, {learned}") as (place, options):
            found = AutoTokenizer.from_pretrained(place, use_fast=True, **options)
        return cls(found, max_tokens)

    def save(self, folder: Path) -> None:
        """Write it to `folder`, in transformers' form."""
        self._tokenizer.save_pretrained(folder)

    @property
    def size(self) -> int:
        """Number of tokens."""
        return len(self._tokenizer)

    def encode(self, captions: Sequence[str]) -> Int[Tensor, "n tokens"]:
        """One row per caption: start, its tokens, end, then `PADDING`; a cut caption has no end."""
        rows = []
        for caption in captions:
            ids = self._tokenizer.encode(caption, add_special_tokens=False, verbose=False)
            rows.append([self.start, *ids[: self.max_tokens], *([] if len(ids) > self.max_tokens else [self.end])])
        width = max(map(len, rows), default=0)
        padded = [row + [PADDING] * (width - len(row)) for row in rows]
        return torch.tensor(padded, dtype=torch.long).reshape(len(rows), width)

    def decode(self, tokens: Int[Tensor, "n tokens"]) -> list[str]:
        """The texts of rows of tokens, each up to its end, on one line."""
        texts = []
        for row in tokens.tolist():
            kept = row[1:] if row[:1] == [self.start] else row
            kept = kept[: kept.index(self.end)] if self.end in kept else kept
            text = self._tokenizer.decode([token for token in kept if token >= 0], skip_special_tokens=True)
            texts.append(" ".join(text.split()))
        return texts


def keep_tokenizer(tokenizer: CaptionTokenizer, folder: Path) -> None:
    """Write the tokenizer into a run's folder, whole, unless one is there."""
    if not (folder / TOKENIZER).exists():
        with whole_folder(folder / TOKENIZER) as temporary:
            tokenizer.save(temporary)


def _first(*ids: int | None) -> Any:
    """The first that there is."""
    return next((found for found in ids if found is not None), None)
