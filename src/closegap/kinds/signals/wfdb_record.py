"""Signals in records of WFDB, as PhysioNet publishes them."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from closegap.errors import DataError, needs
from closegap.kinds.signals.stream import SignalFile
from closegap.kinds.signals.units import in_millivolts
from closegap.kinds.signals.wfdb_header import WfdbHeader, read_header

_MISSING = -(2**15)  # the number of 16 bits that stands for none


def wfdb_record(path: Path, name: str) -> SignalFile:
    """The signals of a record in physical units, whatever format its files have; segments one after the other.

    Args:
        path: of its header.
        name: what errors call it.

    Raises:
        DataError: a header without its files, one that says what they do not hold, or damaged ones. Nothing that the
            header says in comments is in the message.
    """
    header = read_header(path, name)
    units = [in_millivolts(unit) for unit in header.units]
    factors = np.array([factor for factor, _ in units], np.float32)[:, None]

    def read(first: int, last: int) -> Float32[np.ndarray, "leads n"]:
        found = _by_wfdb(path, name, first, last) if header.shorts is None else _of_shorts(header, name, first, last)
        if len(found) != len(factors):
            raise DataError(f"{name}: {len(found)} leads where its header describes {len(factors)}; fetch it again")
        return found if (factors == 1).all() else found * factors

    return SignalFile(header.rate, header.leads, tuple(unit for _, unit in units), header.samples, read)


def _of_shorts(header: WfdbHeader, name: str, first: int, last: int) -> Float32[np.ndarray, "leads n"]:
    """What wfdb gives of such files, in a tenth of the time: of a record of ten seconds, most goes into its header."""
    shorts, count = header.shorts, len(header.leads)
    assert shorts is not None
    try:
        with header.files[0].open("rb") as file:
            file.seek(shorts.offset + 2 * count * first)
            numbers = np.frombuffer(file.read(2 * count * (last - first)), "<i2")
    except (OSError, OverflowError) as error:
        raise DataError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    numbers = numbers[: len(numbers) // count * count].reshape(-1, count).T
    gains, baselines = (np.array(values)[:, None] for values in (shorts.gains, shorts.baselines))
    with np.errstate(all="ignore"):
        values = np.asarray((numbers - baselines) / gains, np.float32)
    values[numbers == _MISSING] = np.nan
    return values


def _by_wfdb(path: Path, name: str, first: int, last: int) -> Float32[np.ndarray, "leads n"]:
    with needs("signals"):
        import wfdb
    try:
        with np.errstate(all="ignore"):
            record = wfdb.rdrecord(str(path.with_suffix("").absolute()), first, last, return_res=32)
        return np.asarray(record.p_signal, np.float32).T
    except Exception as error:  # damaged records meet wfdb with whatever they please
        raise DataError(f"{name}: a damaged record ({type(error).__name__}); fetch it again") from None
