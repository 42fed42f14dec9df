"""From texts to what a tokenizer of transformers makes of them, as its model was trained with."""

import json
from collections.abc import Collection, Sequence
from typing import Any, Literal

from torch import Tensor

from closegap.files import digest

Padding = Literal["longest", "max_length"]


class WholeTokenPreparer:
    """Strings to all that a tokenizer gives a model: ids, and masks or types where it has them.

    Args:
        tokenizer: of transformers, fast or not.
        max_length: tokens beyond it are cut.
        padding: to the longest of a batch, or always to `max_length`.
        taken: names of what the model takes; the rest is left out.
    """

    def __init__(self, tokenizer: Any, max_length: int, padding: Padding, taken: Collection[str]) -> None:
        self._tokenizer, self.max_length, self._padding, self._taken = tokenizer, max_length, padding, tuple(taken)
        self(["a"])  # a fast tokenizer keeps the padding and truncation of its first call: threads find them set
        self._vocabulary = digest(_said(tokenizer).encode())

    def __call__(self, items: Sequence[str]) -> dict[str, Tensor]:
        """The batch."""
        options = {"padding": self._padding, "truncation": True, "max_length": self.max_length}
        found = self._tokenizer(list(items), **options, return_tensors="pt")
        return {name: value for name, value in found.items() if name in self._taken}

    def lengths(self, items: Sequence[str]) -> list[int]:
        """Tokens of each text, if only the longest of a batch matters."""
        if self._padding == "max_length":
            return [self.max_length] * len(items)
        found = self._tokenizer(list(items), truncation=True, max_length=self.max_length, padding=self._padding)
        return [sum(mask) for mask in found["attention_mask"]] if "attention_mask" in found else [0] * len(items)

    def __repr__(self) -> str:
        return f"WholeTokenPreparer({self._vocabulary}, {self.max_length}, {self._padding}, {self._taken})"


def _said(tokenizer: Any) -> str:
    """All that its output depends on, as a text."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    return fast.to_str() if fast is not None else json.dumps([type(tokenizer).__name__, sorted(tokenizer.get_vocab())])
