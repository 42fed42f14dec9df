"""A DICOM file as a data set."""

from pathlib import Path

from closegap.errors import DataError, needs
from closegap.files import regular
from closegap.kinds.dicom import quiet as quiet

with needs("dicom"):
    from pydicom import FileDataset, dcmread
    from pydicom.datadict import dictionary_has_tag

_LARGEST = 2 * 2**30


def read_dicom(path: Path, pixels: bool = True) -> FileDataset:
    """The data set in a file, with or without a preamble.

    Args:
        path: of the file.
        pixels: also what comes from the pixels on; else only what stands before them.

    Raises:
        DataError: no such file, one of more than 2 GiB, or none of DICOM. No value of a tag is in the message.
    """
    try:
        size = regular(path).stat().st_size
        if size > _LARGEST:
            raise DataError(f"{path}: {size / 2**20:,.0f} MiB, expected at most {_LARGEST // 2**20:,}; leave it out")
        found = dcmread(path, force=True, stop_before_pixels=not pixels)
        known = any(tag >> 16 > 2 and dictionary_has_tag(tag) for tag in list(found.keys()))
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or type(error).__name__})") from None
    except Exception as error:  # hostile and damaged files meet pydicom with whatever they please
        raise DataError(f"{path}: no DICOM file, or a damaged one ({type(error).__name__})") from None
    if not known:
        raise DataError(f"{path}: no DICOM file; nothing in it can be read as one")
    return found
