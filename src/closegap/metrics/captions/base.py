"""What a score of captions is: a family of numbers that are measured together of what a captioner says."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from closegap.errors import UsageError
from closegap.metrics.base import Measured
from closegap.metrics.captions.lexicon import Lexicon
from closegap.metrics.captions.pairs import Captions
from closegap.metrics.couple import Counts

HEADING = "Captions"


@dataclass(frozen=True)
class Judged:
    """Generated captions and what they are judged by.

    Args:
        generated: one caption per case, as written; "" where nothing was generated.
        references: one or more per case, as written.
        captions: both cut into tokens.
        groups: the group of each case.
        lexicon: which terms name which concepts; None where nobody knows.
        concepts: the concepts of each case, from elsewhere than its captions.
        embeddings: of the generated captions and of the images, unit rows of the shared space.
        java: whether programs that need Java may be started.
    """

    generated: Sequence[str]
    references: Sequence[Sequence[str]]
    captions: Captions
    groups: Int[Tensor, "n"]
    lexicon: Lexicon | None = None
    concepts: Sequence[Sequence[str]] | None = None
    embeddings: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]] | None = None
    java: bool = True

    def require_java(self) -> None:
        """Whoever needs Java calls this first.

        Raises:
            UsageError: programs that need it may not be started.
        """
        if not self.java:
            raise UsageError("needs Java, which was not asked for")


class CaptionMetric(ABC):
    """A family of scores of captions; settings are constructor arguments.

    Attributes:
        what: what is left out where it cannot be measured.
    """

    what: str

    @abstractmethod
    def measure(self, judged: Judged, counts: Counts) -> Measured:
        """Each score with its bootstrap draws, in reading order.

        Raises:
            UsageError: it cannot be had; the message is the reason that the report gives.
            MissingExtraError: a library that it needs is not installed.
        """
