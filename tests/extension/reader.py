"""What somebody writes to read a data set that closegap does not know."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from closegap.data import BrokenRow, Case, Row, Source
from closegap.kinds import ImageKind, Kind, TextKind


class TextBesideImage(Source):
    """Images with a text file of the same name, in train/, validation/ and test/; names begin with the patient."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return {"image": ImageKind(), "report": TextKind()}

    def rows(self) -> Iterator[Row]:
        for split in ("train", "validation", "test"):
            for file in sorted((self.root / split).glob("*.txt")):
                report = file.read_text(encoding="utf-8").strip()
                if not report:
                    yield BrokenRow("empty report", str(file), "has no text; remove it and its image")
                    continue
                views = {"image": (file.with_suffix(".png"),), "report": (report,)}
                yield Case(id=file.stem, split=split, group=file.stem.partition("_")[0], views=views)
