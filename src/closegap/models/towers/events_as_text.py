"""Health records read out to a tower of texts: the baseline of every other tower of events."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from jaxtyping import Float
from torch import Tensor, nn

from closegap.batch import Activations
from closegap.bounds import PositiveInt
from closegap.errors import UsageError
from closegap.kinds.event import Event
from closegap.kinds.events import EventsKind, said
from closegap.kinds.text import TextKind
from closegap.models.base import Encoder
from closegap.models.towers.inside import packed_inside, unpacked_inside


@dataclass(frozen=True)
class SaidPreparer:
    """Events to what a preparer of texts makes of them in words."""

    preparer: Callable[[Sequence[str]], Any]
    most: int

    def __call__(self, items: Sequence[Sequence[Event]]) -> Any:
        """The batch."""
        return self.preparer(self.texts(items))

    def texts(self, items: Sequence[Sequence[Event]]) -> list[str]:
        """A line for each record."""
        return [said(item, self.most) for item in items]


class EventsAsText(Encoder):
    """A tower of texts that is given each health record in words: what has no time, then the latest events.

    Args:
        encoder: of texts; it cuts what is longer than it can read.
        most: events that are read out.

    Raises:
        UsageError: a tower of something else.
    """

    takes = EventsKind

    def __init__(self, encoder: Encoder, most: PositiveInt = 100) -> None:
        super().__init__()
        if not issubclass(encoder.takes, TextKind):
            raise UsageError(f"encoder: takes {encoder.takes.__name__}, expected a tower of texts")
        self.encoder, self.most = encoder, most
        self.dim, self.fitted = encoder.dim, encoder.fitted

    def preparer(self) -> SaidPreparer:
        """What the tower makes of the words."""
        return SaidPreparer(self.encoder.preparer(), self.most)

    def forward(self, inputs: Any) -> Float[Tensor, "n dim"]:
        """The tower's features."""
        features: Tensor = self.encoder(inputs)
        return features

    @property
    def prefix(self) -> nn.Module | None:
        """That of the tower."""
        return self.encoder.prefix

    def resume(self, activations: Activations) -> Float[Tensor, "n dim"]:
        """As the tower does."""
        return self.encoder.resume(activations)

    def lengths(self, items: Sequence[Any]) -> Sequence[int]:
        """Of what the tower makes of the words."""
        return self.encoder.lengths(self.preparer().texts(items))

    def fit(self, items: Iterable[Any]) -> None:
        """Fit the tower to the words."""
        self.encoder.fit(self.preparer().texts(list(items)))

    def pack(self, folder: Path) -> Mapping[str, Any]:
        """What the tower packs."""
        return {"encoder": packed_inside(self.encoder, folder), "most": self.most}

    @classmethod
    def unpack(cls, folder: Path, arguments: Mapping[str, Any]) -> Self:
        """The tower that `pack` described; closegap's own alone are imported."""
        return cls(unpacked_inside(arguments["encoder"], folder, "encoder"), arguments["most"])
