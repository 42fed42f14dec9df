"""Generated captions as a table: the form in which the ImageCLEFmedical caption task takes them."""

from collections.abc import Sequence
from pathlib import Path

from closegap.errors import UsageError
from closegap.formulas import write_csv

TABLE = "captions.csv"
"""What the table is called in a folder of captions."""


def write_predictions(path: Path, ids: Sequence[str], captions: Sequence[str]) -> None:
    """Write a CSV with the columns ID and Caption, whole or not at all; a caption stands on one line.

    Args:
        path: of the file; its folder is made.
        ids: of the images, each once.
        captions: one per image.

    Raises:
        UsageError: ids and captions that do not pair, or an id twice.
    """
    if len(ids) != len(captions):
        raise UsageError(f"{path}: {len(ids)} ids and {len(captions)} captions; give one caption per image")
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise UsageError(f"{path}: the id {name!r} occurs twice; a submission has one caption per image")
        seen.add(name)
    lines = (" ".join(caption.split()) for caption in captions)
    write_csv(path, [("ID", "Caption"), *zip(ids, lines, strict=True)])
