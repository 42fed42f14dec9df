"""The picture in a DICOM data set, as a viewer would show it at first."""

import numpy as np
from jaxtyping import Bool, Float, Num, Shaped, UInt8

from closegap.errors import ClosegapError, DataError, needs
from closegap.kinds.dicom import quiet as quiet
from closegap.kinds.dicom.windowing import Window, window_of
from closegap.kinds.windows import windowed

with needs("dicom"):
    from PIL import Image
    from pydicom import Dataset
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import UID

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_MOST = 48 * 2**20  # pixels of a frame: with all copies that are made of it, 768 MiB


def picture(dataset: Dataset, frame: int | None = None, window: Window | None = None) -> Image.Image:
    """A frame as an 8-bit image, grey (mode L) or RGB, white where the tissue is dense.

    Grey values take the way of DICOM PS3.3 C.11: modality LUT or rescaling, then the first VOI LUT or, without one, the
    first window; MONOCHROME1 is turned. Without either, 8 bits stay as they are, and more are mapped from the frame's
    own 0.5th to its 99.5th percentile, as of any other image. Padding is black. Colours are converted to RGB, palettes
    looked up, more than 8 bits scaled down; overlays, presentation states, colour profiles and the aspect of pixels are
    left alone.

    Args:
        dataset: with pixels, and the file meta information that says how they are encoded.
        frame: which, from 0; None for the one that the data set calls representative, else the middle one.
        window: in Hounsfield units, in place of the data set's own; for CT alone, others keep theirs.

    Raises:
        DataError: no pixels, such as cannot be decoded here, damaged or very large ones. No value of a tag is in the
            message, but for the names of transfer syntaxes.
    """
    if not any(name in dataset for name in _PIXELS):
        raise DataError("holds no pixels")
    try:
        _expect_size(dataset)
        index = _representative(dataset) if frame is None else frame
        if not 0 <= index < frame_count(dataset):
            raise DataError(f"no frame {index}, it has {frame_count(dataset)}, counted from 0")
        _expect_decoder(dataset)
        values = pixel_array(dataset, index=index)
        if values.ndim == 3:
            return _coloured(values, int(dataset.BitsStored))
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            return _coloured(apply_color_lut(values, dataset), int(dataset.RedPaletteColorLookupTableDescriptor[2]))
        return Image.fromarray(_grey(values, dataset, index, window))
    except ClosegapError:
        raise
    except Exception as error:  # hostile and damaged data sets meet pydicom and its plug-ins with whatever they please
        raise DataError(f"pixels that are damaged, or not as their tags say ({type(error).__name__})") from None


def frame_count(dataset: Dataset) -> int:
    """How many frames the data set says that it has; 1 where it does not say."""
    try:
        return max(1, int(dataset.get("NumberOfFrames") or 1))
    except (TypeError, ValueError):
        return 1


def _expect_size(dataset: Dataset) -> None:
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if rows < 1 or columns < 1:
        raise DataError(f"a picture of {rows} x {columns} pixels")
    if rows * columns > _MOST:
        raise DataError(f"a picture of {columns:,} x {rows:,} pixels, expected at most {_MOST:,}; leave it out")


def _expect_decoder(dataset: Dataset) -> None:
    """Refuse a transfer syntax that nothing here decodes.

    Raises:
        DataError: its name, and what to install.
    """
    if not getattr(dataset, "file_meta", {}).get("TransferSyntaxUID"):
        raise DataError("no file meta information to say how its pixels are encoded")
    syntax = UID(str(dataset.file_meta.TransferSyntaxUID))
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        raise DataError(f"transfer syntax {_named(syntax)}, which is none of pictures") from None
    if not available:
        raise DataError(f"transfer syntax {_named(syntax)}, which nothing here decodes; pip install 'closegap[dicom]'")


def _named(syntax: UID) -> str:
    """Its name in the standard; a private one has none that could be shown."""
    if not syntax.startswith("1.2.840.10008.") or not syntax.is_valid:
        return "of its own"
    return f"{syntax.name} ({syntax})" if syntax.name != syntax else str(syntax)


def _representative(dataset: Dataset) -> int:
    frames = frame_count(dataset)
    given = dataset.get("RepresentativeFrameNumber")
    return int(given) - 1 if given and 1 <= int(given) <= frames else frames // 2


def _grey(
    values: Num[np.ndarray, "height width"], dataset: Dataset, frame: int, given: Window | None
) -> UInt8[np.ndarray, "height width"]:
    padding = _padding(values, dataset)
    modality = _macro(dataset, frame, "PixelValueTransformationSequence")
    voi = _macro(dataset, frame, "FrameVOILUTSequence")
    dark_is_high = dataset.PhotometricInterpretation == "MONOCHROME1"
    preset = given if dataset.get("Modality") == "CT" else None
    window = preset or window_of(voi)
    if preset is None and "VOILUTSequence" in voi:
        bits = int(voi.VOILUTSequence[0].LUTDescriptor[2])
        levels = np.rint(apply_voi(np.rint(_physical(values, modality)).astype(np.int32), voi) * (255 / (2**bits - 1)))
    elif window is not None:
        levels = window.levels(_physical(values, modality))
    elif values.dtype == np.uint8 and "ModalityLUTSequence" not in modality and (modality.get("RescaleSlope") or 1) > 0:
        levels = values * (255 / (2 ** int(dataset.BitsStored) - 1))
    else:
        levels = windowed(np.where(padding, np.nan, _physical(values, modality)), inverted=False)
    found: UInt8[np.ndarray, "height width"] = np.clip(levels, 0, 255).astype(np.uint8)
    found = 255 - found if dark_is_high else found
    found[padding] = 0
    return found


def _physical(values: Num[np.ndarray, "height width"], modality: Dataset) -> Float[np.ndarray, "height width"]:
    """What the stored values mean, such as Hounsfield units."""
    if "ModalityLUTSequence" in modality:
        looked_up: Float[np.ndarray, "height width"] = apply_modality_lut(values, modality).astype(np.float32)
        return looked_up
    slope, intercept = (modality.get(name) for name in ("RescaleSlope", "RescaleIntercept"))
    found: Float[np.ndarray, "height width"] = values.astype(np.float32)
    return found if slope is None or intercept is None else found * np.float32(slope) + np.float32(intercept)


def _padding(values: Num[np.ndarray, "height width"], dataset: Dataset) -> Bool[np.ndarray, "height width"]:
    """Where no picture is, but the filling of its corners."""
    first = dataset.get("PixelPaddingValue")
    if first is None:
        return np.zeros(values.shape, bool)
    last = dataset.get("PixelPaddingRangeLimit")
    ends = sorted((int(first), int(first if last is None else last)))
    return (values >= ends[0]) & (values <= ends[1])


def _macro(dataset: Dataset, frame: int, name: str) -> Dataset:
    """Where the attributes of a frame stand: its own, those of all frames, or the data set itself."""
    for sequence, number in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        groups = dataset.get(sequence)
        if groups and len(groups) > number and groups[number].get(name):
            found: Dataset = groups[number][name][0]
            return found
    return dataset


def _coloured(values: Shaped[np.ndarray, "height width colours"], bits: int) -> Image.Image:
    if values.shape[2] != 3:
        raise DataError(f"{values.shape[2]} colours, expected 3; leave it out")
    return Image.fromarray((values >> max(0, bits - 8)).astype(np.uint8))
