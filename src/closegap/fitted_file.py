"""The file of something that was fitted: the import path of its class, its settings, and the tensors of its fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from closegap.errors import DataError
from closegap.sealed import load_sealed, read_says, save_sealed

_OWN = ("format", "class", "settings")


@dataclass(frozen=True)
class FittedFile:
    """A kind of such files.

    Args:
        key: of the metadata; it tells kinds of files apart.
        version: of what they hold; those of another version are refused.
        noun: what is kept in one.
        written_by: the command that writes one.
    """

    key: str
    version: int
    noun: str
    written_by: str

    def write(self, path: Path, kept: "Kept") -> None:
        """Write `path` (.safetensors), whole or not at all."""
        header = {"format": self.version, "class": kept.class_path, "settings": dict(kept.settings), **kept.says}
        save_sealed(path, kept.tensors, self.key, header)

    def read(self, path: Path) -> "Kept":
        """What `write` wrote; nothing is imported.

        Raises:
            DataError: a missing or damaged file, or one of another kind or version.
        """
        if not path.is_file():
            raise DataError(f"{path}: no such file; expected {self.noun} saved with `{self.written_by}`")
        header = read_says(path, self.key, self._again)
        if header.get("format") != self.version:
            raise DataError(f"{path}: not {self.noun} of this version; write it with `{self.written_by}`")
        tensors = load_sealed(path, self._again)
        says = {name: value for name, value in header.items() if name not in (*_OWN, "digest")}
        named, settings = header.get("class"), header.get("settings")
        if not isinstance(named, str) or not isinstance(settings, dict):
            raise self.unusable(path, TypeError(f"class {named!r} with settings {settings!r}"))
        return Kept(named, settings, says, tensors)

    def unusable(self, path: Path, error: Exception) -> DataError:
        """The error of a file whose parts do not fit the class that it names."""
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return DataError(f"{path}: cannot be used ({reason}); {self._again}")

    @property
    def _again(self) -> str:
        return f"write it again with `{self.written_by}`"


@dataclass(frozen=True)
class Kept:
    """What a file says.

    Args:
        class_path: import path of the class.
        settings: what its constructor takes.
        says: what else is said of the fit, as JSON.
        tensors: of the fit.
    """

    class_path: str
    settings: Mapping[str, Any]
    says: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
