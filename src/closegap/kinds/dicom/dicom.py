"""Pictures in DICOM files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from closegap.bounds import NonNegativeInt
from closegap.errors import DataError, UsageError, needs
from closegap.files import digest, file_digest
from closegap.kinds.image import ImageKind
from closegap.kinds.image_source import ImageSource
from closegap.kinds.place import Place

with needs("image"):
    from PIL import Image

Frame: TypeAlias = NonNegativeInt | Literal["middle", "montage"]

PRESETS = {  # centre and width in Hounsfield units
    "abdomen": (60, 400),
    "bone": (400, 1800),
    "brain": (40, 80),
    "liver": (60, 160),
    "lung": (-600, 1500),
    "mediastinum": (40, 400),
}


@dataclass(frozen=True)
class DicomPicture:
    """The picture in a DICOM file, read when it is needed; an `ImageSource`.

    Args:
        path: of the file.
        frame: as of `DicomKind`.
        window: as of `DicomKind`.
    """

    path: Path
    frame: Frame = "middle"
    window: str | None = None

    def open(self) -> Image.Image:
        """The picture, grey or RGB.

        Raises:
            DataError: no DICOM file, or one whose picture cannot be had; no value of a tag is in the message.
        """
        from closegap.kinds.dicom.frames import montage
        from closegap.kinds.dicom.picture import picture
        from closegap.kinds.dicom.reading import read_dicom
        from closegap.kinds.dicom.windowing import Window

        dataset = read_dicom(self.path)
        window = None if self.window is None else Window(*PRESETS[self.window])
        try:
            if self.frame == "montage":
                return montage(dataset, window)
            return picture(dataset, None if self.frame == "middle" else self.frame, window)
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from None

    def fingerprint(self) -> bytes:
        """Digest of the file and of what is shown of it: no tag can be read from it.

        Raises:
            DataError: a file that cannot be read.
        """
        try:
            return digest(file_digest(self.path).encode(), self._shown()).encode()
        except FileNotFoundError:
            raise DataError(f"{self.path}: no such file") from None
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror or error})") from None

    def place(self) -> Place:
        """The file, and what is shown of it."""
        return Place(self.path, self._shown().decode())

    def _shown(self) -> bytes:
        return f"frame {self.frame}, window {self.window or 'own'}".encode()

    def __repr__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class DicomKind(ImageKind):
    """Images in DICOM files, for whatever takes images: each a path.

    Their pixels alone are packed and shown, never their tags. Needs the extra `dicom`.

    Args:
        frame: which of several: its number, from 0, "middle" (the one that the file calls representative, where it
            does), or "montage", up to 16 of them side by side.
        window: through which a CT is looked at, in Hounsfield units: abdomen, bone, brain, liver, lung, mediastinum.
            None for the file's own; other pictures are always looked at through their own.

    Raises:
        UsageError: no such frame or window.
    """

    frame: Frame = "middle"
    window: str | None = None

    noun: ClassVar[str] = "image"

    def __post_init__(self) -> None:
        numbered = type(self.frame) is int and self.frame >= 0
        if not numbered and self.frame not in ("middle", "montage"):
            raise UsageError(f"frame: {self.frame!r} given, expected a number from 0, middle or montage")
        if self.window is not None and self.window not in PRESETS:
            raise UsageError(f"window: {self.window!r} given, expected one of {', '.join(PRESETS)}")

    def parse(self, given: Any) -> ImageSource | Image.Image:
        """The picture in the file at a path; an image stays as it is.

        Raises:
            DataError: nothing of the two.
        """
        if isinstance(given, str | Path):
            return DicomPicture(Path(given), self.frame, self.window)
        if isinstance(given, Image.Image | ImageSource):
            return given
        raise DataError(f"expected the path of a DICOM file, or an image, found a {type(given).__name__}")

    def read(self, cell: Any, folder: Path) -> ImageSource | Image.Image:  # type: ignore[override]  # no path
        """The picture in the file at the path in the cell, which is relative to the table.

        Raises:
            DataError: a text that no file can be called.
        """
        return self.parse(super().read(cell, folder))

    def fingerprint(self, item: Any) -> bytes:
        """What stands for the pixels; see `DicomPicture.fingerprint`."""
        return super().fingerprint(self.parse(item))

    def pack(self, item: Any) -> bytes:
        """PNG of the pixels, without any tag."""
        return super().pack(self.parse(item))

    def place(self, item: Any) -> Place | None:
        """The file."""
        return super().place(self.parse(item))
