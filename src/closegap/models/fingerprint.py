"""Fingerprints of towers, hashed once: a frozen tower of a billion weights takes seconds each time."""

from itertools import chain
from typing import TypeAlias
from weakref import WeakKeyDictionary

from closegap.models.base import Encoder
from closegap.sharding import in_parts

_Stamp: TypeAlias = tuple[object, ...]

_KNOWN: WeakKeyDictionary[Encoder, tuple[_Stamp, str]] = WeakKeyDictionary()


def tower_fingerprint(encoder: Encoder) -> str:
    """`encoder.fingerprint()`, hashed again only after a weight was replaced, moved or written to.

    Args:
        encoder: a tower; one that is trained is hashed every time.
    """
    tensors = list(chain(encoder.parameters(), encoder.buffers()))
    if not encoder.untrained or any(
        t.is_inference() or in_parts(t) for t in tensors
    ):  # nothing tells when these change
        return encoder.fingerprint()
    stamp = (repr(encoder.preparer()), *((t.data_ptr(), t._version, t.dtype, tuple(t.shape)) for t in tensors))
    known = _KNOWN.get(encoder)
    if known is None or known[0] != stamp:
        known = _KNOWN[encoder] = (stamp, encoder.fingerprint())
    return known[1]
