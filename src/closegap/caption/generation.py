"""How captions are searched for."""

from dataclasses import dataclass

from closegap.bounds import Depth, Logit, NonNegativeInt, PositiveInt, Seed, ShareAboveZero, Tau, Width
from closegap.checked import check_fields
from closegap.errors import UsageError


@dataclass(frozen=True)
class Generation:
    """How captions are searched for.

    Args:
        beams: number of beams; 1 is greedy.
        length_penalty: the score of a beam is its log-likelihood / length^penalty, so that more of it favours longer
            captions; it needs beams.
        top_p: below 1, tokens are drawn from the smallest set that holds this probability, rather than searched for.
        temperature: logits are divided by it before drawing.
        no_repeat_ngram: no sequence of so many tokens comes twice in a caption; 0 allows it.
        max_tokens: longest caption; None: as long as the decoder learned to write.
        batch_size: captions at once.
        seed: of what is drawn; with equal batches, equal captions.

    Raises:
        UsageError: options that do not go together.
    """

    beams: Depth = 3
    length_penalty: Logit = 1.0
    top_p: ShareAboveZero = 1.0
    temperature: Tau = 1.0
    no_repeat_ngram: NonNegativeInt = 3
    max_tokens: Width | None = None
    batch_size: PositiveInt = 64
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.top_p < 1 and self.beams > 1:
            raise UsageError(
                f"top_p {self.top_p} draws and {self.beams} beams search; give one of them, beams 1 or top_p 1"
            )
        if self.temperature != 1 and self.top_p == 1:
            raise UsageError(f"temperature {self.temperature} is for drawing; give a top_p below 1 too")
