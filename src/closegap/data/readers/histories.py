"""What readers of health records have in common."""

from abc import ABC
from collections.abc import Iterable, Mapping
from pathlib import Path

from closegap.data.source import Source
from closegap.errors import UsageError
from closegap.kinds.base import Kind
from closegap.kinds.events import EventsKind
from closegap.kinds.text import TextKind

_EVENTS = "events"


class Histories(Source, ABC):
    """A source of health records as events, and of texts about them.

    Args:
        root: the folder, or the file, that they lie in.
        texts: names of the modalities of texts.

    Raises:
        UsageError: a text that is named like the events.
    """

    def __init__(self, root: Path, texts: Iterable[str]) -> None:
        self._root, self._names = Path(root), tuple(texts)
        if _EVENTS in self._names:
            raise UsageError(f"texts: '{_EVENTS}' is the modality of events; name the text otherwise")

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Events, and the texts that are named."""
        return {_EVENTS: EventsKind(), **dict.fromkeys(self._names, TextKind())}

    @property
    def data_root(self) -> Path:
        """The folder that was given, or that of the file."""
        return self._root.parent if self._root.is_file() else self._root
