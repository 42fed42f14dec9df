"""Signals in records of WFDB, as PhysioNet publishes them."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from closegap.errors import DataError, needs
from closegap.kinds.signals.stream import SignalFile
from closegap.kinds.signals.units import in_millivolts
from closegap.kinds.signals.wfdb_header import read_header


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
        with needs("signals"):
            import wfdb
        try:
            with np.errstate(all="ignore"):
                record = wfdb.rdrecord(str(path.with_suffix("").absolute()), first, last, return_res=32)
            found = np.asarray(record.p_signal, np.float32).T
        except Exception as error:  # damaged records meet wfdb with whatever they please
            raise DataError(f"{name}: a damaged record ({type(error).__name__}); fetch it again") from None
        if len(found) != len(factors):
            raise DataError(f"{name}: {len(found)} leads where its header describes {len(factors)}; fetch it again")
        return found if (factors == 1).all() else found * factors

    return SignalFile(header.rate, header.leads, tuple(unit for _, unit in units), header.samples, read)
