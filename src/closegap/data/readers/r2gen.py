"""Reports and images as R2Gen lists them: IU X-ray, and MIMIC-CXR, with the splits that captions are measured on."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from closegap.data.case import BrokenRow, Case, Row
from closegap.data.source import Source
from closegap.errors import DataError
from closegap.kinds.base import Kind
from closegap.kinds.image import ImageKind
from closegap.kinds.text import TextKind

_SPLITS = {"train": "train", "val": "validation", "test": "test"}


class R2Gen(Source):
    """The studies of an `annotation.json`: of IU X-ray 2,069 to train, 296 to validate, 590 to test.

    Modalities: "image", each view of a study, and "report". The group is the patient: `subject_id` where entries have
    one, as those of MIMIC-CXR, else what stands before "_" in the id: of IU X-ray each study is another patient's.

    Args:
        root: the folder of `annotation.json`, with the images in `images/`.
        annotation: the file's name.

    Reference:
        Chen et al., Generating Radiology Reports via Memory-driven Transformer, EMNLP 2020, whose repository
        (zhjohnchan/R2Gen) defines the file: {"train", "val", "test"} to lists of {id, report, image_path, split}.
    """

    def __init__(self, root: Path, annotation: str = "annotation.json") -> None:
        self._root, self._path = Path(root), Path(root) / annotation

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Images and texts."""
        return {"image": ImageKind(), "report": TextKind()}

    @property
    def data_root(self) -> Path:
        """The folder that was given."""
        return self._root

    def rows(self) -> Iterator[Row]:
        """The studies, split by split.

        Raises:
            DataError: no such file, or none of this form.
        """
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(f"{self._path}: no such file; expected R2Gen's annotation beside images/") from None
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{self._path}: no JSON, or damaged ({type(error).__name__}); fetch it again") from None
        if not isinstance(found, dict) or not any(isinstance(found.get(name), list) for name in _SPLITS):
            raise DataError(f"{self._path}: expected lists 'train', 'val' and 'test' of studies")
        for name, split in _SPLITS.items():
            listed = found.get(name) or []
            for number, entry in enumerate(listed if isinstance(listed, list) else [], start=1):
                yield self._case(f"{self._path}, {name} {number}", split, entry)

    def _case(self, where: str, split: str, entry: Any) -> Row:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str) or not entry["id"]:
            return BrokenRow("no id", where, "expected an object with an id; fetch the file again")
        report, paths = entry.get("report"), entry.get("image_path")
        if not isinstance(report, str) or not report.strip():
            return BrokenRow("empty report", where, "has no report; leave it out")
        if not isinstance(paths, list) or not paths or not all(map(_is_inside, paths)):
            return BrokenRow("no image", where, "expected image_path, a list of paths within images/")
        subject = entry.get("subject_id")
        group = str(subject) if isinstance(subject, int | str) else entry["id"].partition("_")[0]
        images = tuple(self._root / "images" / path for path in dict.fromkeys(paths))
        return Case(entry["id"], split, group, {"image": images, "report": (report.strip(),)}, where=where)


def _is_inside(path: Any) -> bool:
    if not isinstance(path, str) or not path or "\0" in path:
        return False
    parts = PurePosixPath(path)
    return not parts.is_absolute() and ".." not in parts.parts
