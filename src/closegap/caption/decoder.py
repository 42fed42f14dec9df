"""What every caption decoder looks like."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int
from torch import Tensor, nn

from closegap.caption.tokenizer import PADDING
from closegap.checked import Checked

if TYPE_CHECKING:
    from transformers import GenerationConfig


class CaptionDecoder(Checked, nn.Module, ABC):
    """A language model that reads a memory of the case and writes its caption.

    A subclass is built from (features of the memory, tokenizer) and whatever options it has.

    Attributes:
        reads: "embedding": the memory is one unit vector of the shared space, (n, d), so that it may come from any
            modality; with `Captioning.neighbours` further unit vectors stand behind it, (n, (1 + k) d).
            "tokens": it is the image tower's grid of tokens, (n, tokens, features).
    """

    reads: ClassVar[Literal["embedding", "tokens"]]

    @abstractmethod
    def forward(self, memory: Float[Tensor, "n ..."], tokens: Int[Tensor, "n t"]) -> Float[Tensor, "n t vocabulary"]:
        """Logits of the token after each of `tokens`, given the memory and the tokens up to it (teacher forcing).

        Args:
            memory: of each case.
            tokens: from the start on; what comes after an end may be any token.
        """

    @abstractmethod
    def generate(self, memory: Float[Tensor, "n ..."], settings: "GenerationConfig") -> Int[Tensor, "n t"]:
        """Tokens of the captions, from the start on or after it, in evaluation mode."""


def negative_log_likelihood(
    decoder: CaptionDecoder, memory: Float[Tensor, "n ..."], tokens: Int[Tensor, "n t"]
) -> tuple[Float[Tensor, ""], Int[Tensor, ""]]:
    """Sum over the captions' tokens of -log p(token | memory, tokens before) in nats, in float32, and their number.

    Args:
        decoder: the language model.
        memory: of each case.
        tokens: rows of start, tokens, end, `PADDING`; columns that are padding in all rows cost nothing.
    """
    length = int((tokens != PADDING).any(0).sum())
    tokens = tokens[:, :length]
    given, wanted = tokens[:, :-1].clamp_min(0), tokens[:, 1:]
    logits = decoder(memory, given)
    found = wanted != PADDING
    total = F.cross_entropy(logits[found].float(), wanted[found], reduction="sum")
    return total, torch.count_nonzero(found)
