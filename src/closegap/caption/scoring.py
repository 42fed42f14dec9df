"""What generated captions are measured by."""

from dataclasses import dataclass

from closegap.bounds import Resamples
from closegap.checked import check_fields


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
    resamples: Resamples = 1000

    def __post_init__(self) -> None:
        check_fields(self)
