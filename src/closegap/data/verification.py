"""Is every item sound, and what is in it? What takes long is done once and remembered."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from closegap.data.memory import Stamp, recall, remember, stamp_of
from closegap.errors import DataError
from closegap.files import digest
from closegap.kinds.base import Kind
from closegap.kinds.names import name_of
from closegap.progress import Progress

_CHUNK = 256  # items between two writes: what is done stays done when the check is interrupted


def problems(kind: Kind, items: Sequence[Any], progress: Progress | None = None) -> list[str | None]:
    """What is wrong with each item; None where nothing is.

    Where the kind is costly, what was sound once is not looked at again while its file has not changed, or, where it
    lies in no file, while its fingerprint is the same. What is broken is looked at every time: somebody may have
    mended it.

    Args:
        kind: what the items are.
        items: any number; equal ones are looked at once where the kind is costly.
        progress: called as items of a costly kind are looked at.
    """
    if not kind.costly:
        return [kind.problem(item) for item in items]
    keys = [_sound_key(kind, item) for item in items]
    different = {key or index: item for index, (key, item) in enumerate(zip(keys, items, strict=True))}
    known = recall("sound", [key for key in keys if key is not None])
    found: dict[Stamp | int, str | None] = dict.fromkeys(known)
    missing = [key for key in different if key not in found]
    with ThreadPoolExecutor(_cores()) as pool:
        for start in range(0, len(missing), _CHUNK):
            chunk = missing[start : start + _CHUNK]
            sound: dict[Stamp, str] = {}
            for key, problem in zip(chunk, pool.map(kind.problem, [different[key] for key in chunk]), strict=True):
                found[key] = problem
                if problem is None and isinstance(key, Stamp):
                    sound[key] = ""
                if progress is not None:
                    progress(len(found), len(different))
            remember("sound", sound)
    return [found[key or index] for index, key in enumerate(keys)]


def remember_sound(kind: Kind, items: Sequence[Any]) -> None:
    """Note that nothing is wrong with these items, for who has looked at them without `problems`."""
    remember("sound", {key: "" for item in items if (key := _sound_key(kind, item)) is not None})


def content_digests(kind: Kind, items: Sequence[Any], refused: dict[int, str] | None = None) -> list[str]:
    """The digest of each item's fingerprint, 128 bits in hexadecimal; that of what lies in a file is remembered.

    Args:
        kind: what the items are.
        items: any number.
        refused: gets number and reason of those that cannot be read, whose digest is ""; by default they are an error.

    Raises:
        DataError: an item that cannot be read.
    """
    places = [kind.place(item) for item in items]
    stamps = [stamp_of(kind, place) if place is not None else None for place in places]
    known = recall("digest", [stamp for stamp in stamps if stamp is not None])
    files = [index for index, stamp in enumerate(stamps) if stamp is not None and stamp not in known]
    found: list[str | DataError] = [known.get(stamp, "") if stamp is not None else "" for stamp in stamps]
    others = [index for index, stamp in enumerate(stamps) if stamp is None]
    for index in others:
        found[index] = _digest(kind, items[index])
    with ThreadPoolExecutor(_cores()) as pool:
        for start in range(0, len(files), _CHUNK):
            chunk, fresh = files[start : start + _CHUNK], dict[Stamp, str]()
            digests = pool.map(lambda index: _digest(kind, items[index]), chunk)
            for index, value in zip(chunk, digests, strict=True):
                found[index], stamp = value, stamps[index]
                if isinstance(value, str) and stamp is not None:
                    fresh[stamp] = value
            remember("digest", fresh)
    return [_digest_or_refusal(index, value, refused) for index, value in enumerate(found)]


def _digest(kind: Kind, item: Any) -> str | DataError:
    try:
        return digest(kind.fingerprint(item))
    except DataError as error:
        return error


def _digest_or_refusal(index: int, value: str | DataError, refused: dict[int, str] | None) -> str:
    if isinstance(value, str):
        return value
    if refused is None:
        raise value
    refused[index] = str(value)
    return ""


def _sound_key(kind: Kind, item: Any) -> Stamp | None:
    """What the item's soundness is remembered by; None where nothing could be."""
    place = kind.place(item)
    if place is not None:
        return stamp_of(kind, place)
    try:
        return Stamp(f"{name_of(kind)} {digest(kind.fingerprint(item))}")
    except Exception:  # what is no item at all may fail anywhere; looking for its problem says why
        return None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
