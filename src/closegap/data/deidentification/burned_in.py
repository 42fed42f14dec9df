"""Text that is burned into pictures."""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from closegap.errors import DataError, needs
from closegap.kinds.dicom.picture import frame_count, picture

with needs("deidentify"):
    from pydicom import Dataset
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian
    from rapidocr import RapidOCR

Box: TypeAlias = tuple[int, int, int, int]

_LETTERS = 2  # a single one says which side is left
_MARGIN = 0.3  # of a line's height


def text_boxes(dataset: Dataset) -> list[list[Box]]:
    """Where text of two letters or digits or more is seen, as left, top, right, bottom: a list for each frame.

    Args:
        dataset: as of `picture`.

    Raises:
        DataError: pixels that cannot be looked at.
    """
    return [_found(np.asarray(picture(dataset, index).convert("RGB"))) for index in range(frame_count(dataset))]


def blacken(dataset: Dataset, boxes: Sequence[Sequence[Box]]) -> None:
    """Black out boxes, in place; the pixels are no longer compressed then.

    Args:
        dataset: as of `picture`.
        boxes: of `text_boxes`.

    Raises:
        DataError: pixels of single bits or of real numbers.
    """
    if "PixelData" not in dataset or int(dataset.BitsAllocated) % 8:
        raise DataError("text in pixels of single bits or real numbers, which is not blacked out")
    frames = pixel_array(dataset)
    frames = np.array(frames if frame_count(dataset) > 1 else frames[None])
    black: Any = 0
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        black = frames.max()
    elif dataset.PhotometricInterpretation == "PALETTE COLOR":
        black = _darkest(dataset, frames)
    elif frames.ndim == 3:
        black = frames.min()
    for frame, found in zip(frames, boxes, strict=True):
        for left, top, right, bottom in found:
            frame[top:bottom, left:right] = black
    if frames.ndim == 4:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    if dataset.file_meta.TransferSyntaxUID != ExplicitVRBigEndian:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    is_big = dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
    content = frames.astype(frames.dtype.newbyteorder(">" if is_big else "<")).tobytes()
    dataset.PixelData = content + bytes(len(content) % 2)
    dataset["PixelData"].VR = "OB" if int(dataset.BitsAllocated) <= 8 else "OW"
    dataset["PixelData"].is_undefined_length = False
    for name in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if name in dataset:
            delattr(dataset, name)


def _darkest(dataset: Dataset, frames: np.ndarray) -> int:
    """Of the colours of a palette that are used, the number of the darkest."""
    used = np.unique(frames)
    return int(used[np.argmin(apply_color_lut(used[None], dataset).sum(axis=-1, dtype=int))])


def _found(image: np.ndarray) -> list[Box]:
    height, width = image.shape[:2]
    seen: Any = _reader()(image, use_cls=False)
    boxes = list[Box]()
    for corners, text in zip(() if seen.boxes is None else seen.boxes, seen.txts or (), strict=False):
        if sum(letter.isalnum() for letter in text) >= _LETTERS:
            (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
            margin = _MARGIN * min(bottom - top, right - left)
            edges = (left - margin, top - margin, right + margin + 1, bottom + margin + 1)
            limits = (width, height, width, height)
            found = [int(np.clip(edge, 0, limit)) for edge, limit in zip(edges, limits, strict=True)]
            boxes.append((found[0], found[1], found[2], found[3]))
    return boxes


@cache
def _reader() -> RapidOCR:
    """The models that lie in rapidocr's own package: nothing is fetched."""
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        }
    )
