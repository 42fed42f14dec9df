"""The captioning section of a run's config."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from closegap.caption.decoder import CaptionDecoder
from closegap.caption.tokenizer import CaptionTokenizer
from closegap.errors import UsageError


@dataclass(frozen=True)
class Captioning:
    """A decoder, what it learns from, and how it is trained beside or on top of the aligned model.

    Args:
        decoder: builds the decoder from (features of what it reads, tokenizer), by class path; null: no captions.
        tokenizer: a transformers tokenizer by name or local directory; null learns a byte-level BPE from the training
            captions.
        vocabulary: number of tokens of the learned one.
        max_tokens: captions are cut after so many tokens.
        image: the modality that captions are written for.
        text: the modality whose items are the captions.
        condition: "pairs": the decoder learns to write a caption from its image. "text": from the caption's own
            embedding, so that no image is needed; images are read only afterwards.
        noise: length of the noise on the embeddings that the decoder learns from; their own length is 1.
        weight: of the captions' cross-entropy beside the alignment terms.
        lr: the decoder's peak learning rate; null: `train.lr`.
        model_from: the run whose aligned model the decoder reads; null trains both from the start.
        freeze: leave the model of `model_from` as it is; false trains it on together with the decoder.
        grid: side of the grid that image tokens are averaged to, for a decoder that reads tokens.

    Raises:
        UsageError: a number out of range, or options that do not go together.
    """

    decoder: Callable[[int, CaptionTokenizer], CaptionDecoder] | None = None
    tokenizer: str | None = None
    vocabulary: int = 4000
    max_tokens: int = 48
    image: str = "image"
    text: str = "caption"
    condition: Literal["pairs", "text"] = "pairs"
    noise: float = 0.0
    weight: float = 1.0
    lr: float | None = None
    model_from: Path | None = None
    freeze: bool = True
    grid: int = 4

    def __post_init__(self) -> None:
        for name in ("weight", "lr", "grid", "vocabulary", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"captioning.{name}: {value} given, expected a number above 0")
        if self.noise < 0:
            raise UsageError(f"captioning.noise: {self.noise} given, expected a length of at least 0")
        if self.image == self.text:
            raise UsageError(f"captioning.image and captioning.text are both {self.image!r}; name two modalities")

    @property
    def frozen(self) -> bool:
        """Whether the decoder alone is trained."""
        return self.model_from is not None and self.freeze

    @property
    def source(self) -> str:
        """The modality that the decoder learns to read."""
        return self.image if self.condition == "pairs" else self.text

    def new_tokenizer(self, captions: Sequence[str]) -> CaptionTokenizer:
        """The tokenizer that is named, or one learned from the training captions."""
        if self.tokenizer is not None:
            return CaptionTokenizer.load(self.tokenizer, self.max_tokens)
        return CaptionTokenizer.train(captions, self.vocabulary, self.max_tokens)

    def new_decoder(self, features: int, tokenizer: CaptionTokenizer) -> CaptionDecoder:
        """The decoder, with new weights or those it names.

        Raises:
            UsageError: one that reads image tokens, where it should learn from texts.
        """
        assert self.decoder is not None
        decoder = self.decoder(features, tokenizer)
        if self.condition == "text" and decoder.reads == "tokens":
            raise UsageError(
                f"captioning.condition: text needs a decoder that reads the shared embedding, such as PrefixDecoder; "
                f"{type(decoder).__name__} reads image tokens"
            )
        return decoder
