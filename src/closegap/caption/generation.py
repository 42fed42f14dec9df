"""How captions are searched for."""

from dataclasses import dataclass

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
        UsageError: a number out of range, or options that do not go together.
    """

    beams: int = 3
    length_penalty: float = 1.0
    top_p: float = 1.0
    temperature: float = 1.0
    no_repeat_ngram: int = 3
    max_tokens: int | None = None
    batch_size: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("beams", "batch_size", "temperature", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name}: {value} given, expected a number above 0")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p: {self.top_p} given, expected a probability in (0, 1]")
        if self.no_repeat_ngram < 0:
            raise UsageError(f"no_repeat_ngram: {self.no_repeat_ngram} given, expected a length, or 0 for none")
        if self.top_p < 1 and self.beams > 1:
            raise UsageError(
                f"top_p {self.top_p} draws and {self.beams} beams search; give one of them, beams 1 or top_p 1"
            )
        if self.temperature != 1 and self.top_p == 1:
            raise UsageError(f"temperature {self.temperature} is for drawing; give a top_p below 1 too")
