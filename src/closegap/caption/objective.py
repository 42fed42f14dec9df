"""The objective that trains a decoder of captions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from closegap.bounds import NonNegativeFloat, NonNegativeInt, PositiveInt, Rate, Side, Weight, Width
from closegap.caption.decoder import CaptionDecoder
from closegap.caption.tokenizer import CaptionTokenizer
from closegap.errors import UsageError
from closegap.evaluation.compare import Comparison
from closegap.runs.log import Watching
from closegap.runs.objective import Objective
from closegap.runs.training import Training

if TYPE_CHECKING:
    from closegap.training.task import Setting, TrainingTask


@dataclass(frozen=True)
class Captioning(Objective):
    """A decoder, what it learns from, and how it is trained beside or on top of the aligned model.

    Args:
        decoder: builds the decoder from (features of what it reads, tokenizer), by class path.
        tokenizer: a transformers tokenizer by name or local directory; null learns a byte-level BPE from the training
            captions.
        vocabulary: number of tokens of the learned one.
        max_tokens: captions are cut after so many tokens.
        image: the modality that captions are written for.
        text: the modality whose items are the captions.
        condition: "pairs": the decoder learns to write a caption from its image. "text": from the caption's own
            embedding, so that no image is needed; images are read only afterwards.
        noise: length of the noise on the embeddings that the decoder learns from; their own length is 1.
        neighbours: how many of the nearest training captions, of other groups, the decoder reads beside the embedding.
        weight: of the captions' cross-entropy beside the alignment terms.
        lr: the decoder's peak learning rate; null: `train.lr`.
        model_from: the run whose aligned model the decoder reads; null trains both from the start.
        freeze: leave the model of `model_from` as it is; false trains it on together with the decoder.
        grid: side of the grid that image tokens are averaged to, for a decoder that reads tokens.

    Raises:
        UsageError: options that do not go together.
    """

    decoder: Callable[[int, CaptionTokenizer], CaptionDecoder]
    tokenizer: str | None = None
    vocabulary: PositiveInt = 4000
    max_tokens: Width = 48
    image: str = "image"
    text: str = "caption"
    condition: Literal["pairs", "text"] = "pairs"
    noise: NonNegativeFloat = 0.0
    neighbours: NonNegativeInt = 0
    weight: Weight = 1.0
    lr: Rate | None = None
    model_from: Path | None = None
    freeze: bool = True
    grid: Side = 4

    def __post_init__(self) -> None:
        if self.image == self.text:
            raise UsageError(f"objective.image and objective.text are both {self.image!r}; name two modalities")
        if self.neighbours and self.moves_model:
            raise UsageError(
                f"objective.neighbours: {self.neighbours} given, but captions have neighbours only in a space that "
                "stays; name a finished run with objective.model_from and leave objective.freeze true"
            )

    def task(self, setting: "Setting") -> "TrainingTask":
        """See `Objective`; what trains reads this class, so it is imported here."""
        from closegap.caption.task import captioning_task

        return captioning_task(self, setting)

    @property
    def moves_model(self) -> bool:
        """Not where the decoder alone is trained."""
        return self.model_from is None or not self.freeze

    def check(self, training: Training) -> None:
        """A decoder is trained whole, and on whole batches."""
        for key in ("micro_batch", "shard"):
            if getattr(training, key):
                raise UsageError(f"train.{key}: goes with alignment alone; leave it out where a decoder is trained")

    def next_step(self, folder: Path) -> str:
        """Captions may be written."""
        return f"write captions with `closegap caption {folder} --out DIR`"

    def judged(self, folder: Path, split: str, overrides: Sequence[str], watching: Watching) -> Comparison | None:
        """Scores of the captions, both baselines beside them; None where the split has no captions."""
        from closegap.caption.arms import caption_runs, captions_compared
        from closegap.caption.choose import split_cases
        from closegap.caption.generation import Generation
        from closegap.caption.scoring import Scoring

        scoring = Scoring()
        arms = caption_runs([folder], split_cases(split), Generation(), scoring, (), overrides, watching)
        return captions_compared(arms, split, scoring)

    @property
    def source(self) -> str:
        """The modality that the decoder learns to read."""
        return self.image if self.condition == "pairs" else self.text

    def new_tokenizer(self, captions: Sequence[str]) -> CaptionTokenizer:
        """The tokenizer that is named, or one learned from the training captions."""
        if self.tokenizer is not None:
            return CaptionTokenizer.load(self.tokenizer, self.max_tokens)
        return CaptionTokenizer.train(captions, self.vocabulary, self.max_tokens)

    def memory_width(self, dim: int) -> int:
        """How wide the memory is in a shared space of `dim` dimensions, neighbours included."""
        return dim * (1 + self.neighbours)

    def new_decoder(self, features: int, tokenizer: CaptionTokenizer) -> CaptionDecoder:
        """The decoder, with new weights or those it names.

        Raises:
            UsageError: one that reads image tokens, where it should learn from texts or read neighbours.
        """
        decoder = self.decoder(features, tokenizer)
        wants = {"condition: text": self.condition == "text", f"neighbours: {self.neighbours}": self.neighbours > 0}
        for option, wanted in wants.items():
            if wanted and decoder.reads == "tokens":
                raise UsageError(
                    f"objective.{option} needs a decoder that reads the shared embedding, such as PrefixDecoder; "
                    f"{type(decoder).__name__} reads image tokens"
                )
        return decoder
