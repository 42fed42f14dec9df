"""Files of signals, whatever they are called."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from closegap.errors import DataError
from closegap.files import regular
from closegap.kinds.sampling import Sampling
from closegap.kinds.signals.array import array_file
from closegap.kinds.signals.dicom_waveform import dicom_waveform
from closegap.kinds.signals.packed import is_packed, packed_file
from closegap.kinds.signals.stream import SignalFile
from closegap.kinds.signals.table import is_table, table_file
from closegap.kinds.signals.wfdb_header import header_of, read_header
from closegap.kinds.signals.wfdb_record import wfdb_record
from closegap.kinds.sourced import Sourced, content_of

_START = 4096
_DICOM = (".dcm", ".dicom", ".ima")


@contextmanager
def signal_file(source: Sourced, sampling: Sampling, name: str) -> Iterator[SignalFile]:
    """What a file says of its signals; its content decides what format it has, of WFDB its header beside it.

    Args:
        source: a file: a record of WFDB with or without .hea, CSV, NPY, a DICOM waveform, or a packed signal; or bytes.
        sampling: rate, leads and unit of files that do not say theirs.
        name: what errors call it.

    Raises:
        DataError: no such file, or none of a signal.
    """
    if not isinstance(source, Path):
        yield packed_file(content_of(source, "signal"), name)
        return
    header = header_of(source)
    if header is not None:
        yield wfdb_record(header, name)
        return
    start = _start(source, name)
    if start.startswith(b"\x93NUMPY"):
        yield array_file(source, sampling, name)
    elif start[128:132] == b"DICM" or source.suffix.lower() in _DICOM:
        yield dicom_waveform(source, name)
    elif is_packed(start):
        yield packed_file(content_of(source, "signal"), name)
    elif is_table(start):
        yield table_file(source, sampling, name)
    else:
        raise DataError(f"{name}: no signal that can be read; expected WFDB (a header beside it), CSV, NPY or DICOM")


def files_of(path: Path) -> Sequence[Path]:
    """The file, or the header of a record and the files that it names, in order; of a broken header, itself."""
    header = header_of(path)
    if header is None:
        return [path]
    try:
        return [header, *read_header(header, str(header)).files]
    except DataError:
        return [header]


def _start(path: Path, name: str) -> bytes:
    try:
        with regular(path).open("rb") as file:
            start = file.read(_START)
    except FileNotFoundError:
        raise DataError(f"{name}: no such signal") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if not start:
        raise DataError(f"{name}: an empty file; fetch it again")
    return start
