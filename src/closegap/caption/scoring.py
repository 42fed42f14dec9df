"""What generated captions are measured by."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scoring:
    """Which scores are asked for beside those that run anywhere.

    Args:
        java: METEOR and SPICE.
        bert_model: BERTScore with this transformers directory.
        resamples: of the bootstrap by group.
    """

    java: bool = False
    bert_model: str | None = None
    resamples: int = 1000
