"""Where an item lies."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """The file that holds an item.

    Args:
        file: the file.
        part: which part of it; "" where the item is the whole file.
    """

    file: Path
    part: str = ""
