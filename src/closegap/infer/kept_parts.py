"""What has been embedded of a split, in a folder, until all of it has been."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from closegap.disk import sync, writing
from closegap.errors import DataError, UsageError
from closegap.sealed import load_sealed, read_says, save_sealed

_KEY, _WORK, _NUMBER = "closegap_part", "work", "part"
_AGAIN = "embed it again"


class KeptParts:
    """Parts of one work, each of which says whose it is, so that none is taken for another's.

    Args:
        folder: of these parts alone, and locked.
        work: what decides them: other work is other parts.

    Raises:
        UsageError: the folder holds a part of other work.
    """

    def __init__(self, folder: Path, work: str) -> None:
        self.folder, self.work = folder, work
        for file in folder.glob("[0-9]*.safetensors"):
            if _said(file).get(_WORK, work) != work:
                raise UsageError(
                    f"{folder}: holds parts of another run, checkpoint, split, data or batch size; delete it, or write "
                    "to another --out"
                )

    def file(self, number: int) -> Path:
        """Where a part is kept."""
        return self.folder / f"{number:08d}.safetensors"

    def has(self, number: int) -> bool:
        """Whether the part is there, as it was written."""
        said = _said(self.file(number))
        if (said.get(_WORK), said.get(_NUMBER)) != (self.work, number):
            return False
        try:
            load_sealed(self.file(number), _AGAIN)
        except DataError:
            return False
        return True

    def add(self, number: int, tensors: Mapping[str, Tensor]) -> None:
        """Keep a part.

        Raises:
            DataError: an embedding that is not finite.
        """
        for name, rows in tensors.items():
            if not rows.isfinite().all():
                raise DataError(f"{name} of part {number} is not finite; embed with another checkpoint")
        save_sealed(self.file(number), tensors, _KEY, {_WORK: self.work, _NUMBER: number})

    def remove(self) -> None:
        """Delete the folder, under another name first: a kill leaves no folder of some parts."""
        with writing(self.folder):
            gone = self.folder.with_name(f".{self.folder.name}.unfinished")
            shutil.rmtree(gone, ignore_errors=True)
            self.folder.rename(gone)
            sync(self.folder.parent)
            shutil.rmtree(gone)


def _said(file: Path) -> Mapping[str, Any]:
    """What a file says of itself; nothing where it is damaged or none of ours."""
    try:
        return read_says(file, _KEY, _AGAIN)
    except DataError:
        return {}
