"""Where an array or a column lies: a file and, where it holds several, the key."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from closegap.errors import ClosegapError, DataError, UsageError


@dataclass(frozen=True)
class ArrayFile:
    """A file and the array (.npz, .safetensors) or column (.csv, .parquet) in it; None where it holds one alone."""

    path: Path
    key: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The source written as FILE or FILE:KEY.

        Example:
            >>> ArrayFile.parse("both.npz:image").key
            'image'
            >>> ArrayFile.parse("image.npy").key is None
            True
        """
        path, _, key = text.rpartition(":")
        if not Path(path).suffix or Path(text).is_file():
            return cls(Path(text))
        return cls(Path(path), key)

    @classmethod
    def of(cls, source: "ArrayFile | str | Path") -> "ArrayFile":
        """The source itself, or the one written as FILE or FILE:KEY."""
        return source if isinstance(source, ArrayFile) else cls.parse(str(source))

    @property
    def name(self) -> str:
        """What to call it where nobody gave a name: the key, or the file's name without its suffix."""
        return self.key or self.path.stem

    def chosen(self, there: Sequence[str], what: str) -> str:
        """The one of `there` that is meant.

        Args:
            there: what the file holds.
            what: what that is, in the singular ("array", "column").

        Raises:
            DataError: the file holds none.
            UsageError: a key that the file lacks, or none where there are several.
        """
        if not there:
            raise DataError(f"{self.path}: holds no {what} that could be used")
        listed = ", ".join(there)
        if self.key is None and len(there) > 1:
            raise UsageError(f"{self.path}: holds {len(there)} {what}s ({listed}); choose one as {self.path}:KEY")
        if self.key is not None and self.key not in there:
            raise UsageError(f"{self.path}: holds no {what} '{self.key}'; it holds {listed}")
        return there[0] if self.key is None else self.key

    def refuse_key(self) -> None:
        """Raise UsageError if a key was given for a file that has none."""
        if self.key is not None:
            raise UsageError(f"{self.path}: key '{self.key}' was given, but a {self.path.suffix} file has no keys")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong while `path` is read into one clear line.

    Raises:
        DataError: no such file, a folder, or a file that cannot be read as what its suffix says.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; expected a file")
    if not path.is_file():
        raise DataError(f"{path}: {'is a device or a pipe; expected a file' if path.exists() else 'no such file'}")
    try:
        yield
    except ClosegapError:
        raise
    except MemoryError as error:
        raise DataError(f"{path}: does not fit into memory ({error})") from error
    except Exception as error:  # the libraries of four formats meet damaged bytes with whatever they please
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{path}: cannot be read as a {path.suffix} file ({reason}); expected a whole one without Python objects"
        ) from error
