"""Signals in NumPy's files."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32, Num

from closegap.errors import DataError
from closegap.kinds.sampling import Sampling
from closegap.kinds.signals.stream import SignalFile
from closegap.kinds.signals.units import in_millivolts


def array_file(path: Path, sampling: Sampling, name: str) -> SignalFile:
    """The signals in a .npy file: of one lead, or of several, as rows or columns, of which there are fewer.

    The rate comes from `sampling`. Nothing is unpickled, and no more is read than is asked for.

    Raises:
        DataError: no numbers of one or two dimensions, other leads than are named, or no rate.
    """
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError, MemoryError, SyntaxError, TypeError) as error:
        raise DataError(
            f"{name}: no array of numbers, or a damaged one ({type(error).__name__}); save it again"
        ) from None
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf" or values.ndim not in (1, 2):
        shape = f"{getattr(values, 'dtype', 'something')} of shape {getattr(values, 'shape', '')}"
        raise DataError(f"{name}: {shape}, expected numbers by lead and time")
    if sampling.file_rate is None:
        raise DataError(f"{name}: NPY says no rate; name it with the kind's sampling.file_rate")
    rows = _by_lead(values, sampling.file_leads, name)
    leads = sampling.file_leads or tuple(str(number) for number in range(1, len(rows) + 1))
    factor, unit = in_millivolts(sampling.file_unit)

    def read(first: int, last: int) -> Float32[np.ndarray, "leads n"]:
        with np.errstate(over="ignore"):
            return np.asarray(rows[:, first:last] * np.float64(factor), np.float32)

    return SignalFile(sampling.file_rate, leads, (unit,) * len(rows), rows.shape[1], read)


def _by_lead(values: Num[np.ndarray, "..."], leads: tuple[str, ...] | None, name: str) -> Num[np.ndarray, "leads n"]:
    if values.ndim == 1:
        values = values[None]
    if leads is None:
        return values if values.shape[0] <= values.shape[1] else values.T
    if len(leads) not in values.shape:
        raise DataError(f"{name}: shape {values.shape}, expected {len(leads)} leads, as sampling.file_leads names them")
    return values if len(leads) == values.shape[0] else values.T
