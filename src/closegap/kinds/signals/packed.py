"""Signals as they are packed: safetensors, with rate, names and units in its header."""

import json
from contextlib import suppress
from typing import Any

import numpy as np
from jaxtyping import Float32
from safetensors import SafetensorError
from safetensors.numpy import load, save

from closegap.errors import DataError
from closegap.kinds.signals.stream import SignalFile
from closegap.kinds.traces import Traces

_NAME = "signal"
_LARGEST_HEADER = 10**6  # bytes


def packed(traces: Traces) -> bytes:
    """The bytes, the same for the same signal; nothing but samples, rate, names and units is in them."""
    about = json.dumps({"rate": float(traces.rate), "leads": traces.leads, "units": traces.units})
    return bytes(save({_NAME: np.ascontiguousarray(traces.values, np.float32)}, {_NAME: about}))


def is_packed(start: bytes) -> bool:
    """Whether a file that begins so may be one."""
    return start[8:9] == b"{" and 2 <= int.from_bytes(start[:8], "little") <= _LARGEST_HEADER


def packed_file(content: bytes, name: str) -> SignalFile:
    """The signals in such bytes.

    Raises:
        DataError: others, or damaged ones.
    """
    found = None
    with suppress(SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        if is_packed(content):
            found = _found(content)
    if found is None:
        raise DataError(f"{name}: no packed signal, or a damaged one; pack it again")
    return found


def _found(content: bytes) -> SignalFile | None:
    header: Any = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    about = json.loads(header["__metadata__"][_NAME])
    values: Float32[np.ndarray, "leads n"] = load(content)[_NAME]
    leads, units = tuple(about["leads"]), tuple(about["units"])
    named = all(isinstance(name, str) for name in (*leads, *units)) and len(leads) == len(units) == len(values)
    if values.dtype != np.float32 or values.ndim != 2 or not named:
        return None
    return SignalFile(float(about["rate"]), leads, units, values.shape[1], lambda first, last: values[:, first:last])
