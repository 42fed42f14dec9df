"""What a metric is: a family of numbers that are measured together, loaded by class path."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, TypeAlias

from closegap.errors import UsageError
from closegap.metrics.bootstrap import Sampled
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.extents import Extent
from closegap.metrics.figure import Figure

Measured: TypeAlias = Mapping[Figure, Sampled]
"""What each number is, and its value with bootstrap draws."""

Attempt: TypeAlias = tuple[str, Callable[[], Measured]]
"""What is attempted, and the function that measures it or raises UsageError with the reason why it cannot."""


@dataclass(frozen=True)
class Need:
    """Something that a metric needs of a set and not every set has.

    Args:
        reason: why a set without it is not measured, for a reader.
        met: whether a set has it, asked of two of its modalities.
    """

    reason: str
    met: Callable[[Couple], bool]


class Metric(ABC):
    """A family of numbers that are measured together, of two modalities of a set.

    Settings are constructor arguments. What cannot be measured of a set is left out of its report, with the reason:
    that of a need which the set does not meet, or that of a UsageError.

    Attributes:
        what: what is left out where it cannot be measured; default the class's name.
        needs: what a set must have.
        extent: from which extent on our own are measured; those of "all" are left out along the sweep of a post-hoc
            method.
        takes_scores: whether the numbers depend on `couple.stage`; those of other metrics are not measured again for
            an arm that differs from another in its score stage alone.
    """

    what: ClassVar[str] = ""
    needs: ClassVar[tuple[Need, ...]] = ()
    extent: ClassVar[Extent] = "all"
    takes_scores: ClassVar[bool] = False

    @abstractmethod
    def measure(self, couple: Couple, counts: Counts) -> Measured:
        """Each number with its bootstrap draws, in reading order.

        Args:
            couple: the two modalities; `couple.x` and `couple.y` are their rows.
            counts: of the bootstrap, for `estimates`.

        Raises:
            UsageError: the data do not allow it; the message is the reason that the report gives.
        """

    def attempts(self, couple: Couple, counts: Counts) -> Iterator[Attempt]:
        """What is attempted one by one, so that one part may be left out and the others not; by default one attempt."""
        yield self.what or type(self).__name__, partial(self.measured, couple, counts)

    def measured(self, couple: Couple, counts: Counts) -> Measured:
        """`measure`, of a set that meets the needs.

        Raises:
            UsageError: it does not, or `measure` raises one.
        """
        for need in self.needs:
            if not need.met(couple):
                raise UsageError(need.reason)
        return self.measure(couple, counts)
