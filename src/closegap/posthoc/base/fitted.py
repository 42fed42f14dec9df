"""What a fit leaves behind, and the file that keeps it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from closegap.errors import DataError
from closegap.files import whole_file
from closegap.posthoc.base.seen import Seen

_FORMAT = 1
_HEADER = "closegap_posthoc"
_STATE = "state/"


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves behind: the estimates, what they are for, and which rows they come from."""

    state: Mapping[str, Tensor]
    modalities: tuple[str, ...]
    width: int
    seen: Seen


@dataclass(frozen=True)
class Kept:
    """What a file says: the import path of a method's class, its settings, and its fit."""

    class_path: str
    settings: Mapping[str, Any]
    fitted: Fitted


def write_fitted(path: Path, kept: Kept) -> None:
    """Write `path` (.safetensors, settings as JSON in its header), whole or not at all."""
    fitted = kept.fitted
    header = {
        "format": _FORMAT,
        "class": kept.class_path,
        "settings": dict(kept.settings),
        "modalities": fitted.modalities,
        "width": fitted.width,
        "row_numbered": fitted.seen.row_numbered,
    }
    tensors = {_STATE + name: value.contiguous() for name, value in fitted.state.items()}
    tensors |= {"seen/ids": fitted.seen.ids, "seen/contents": fitted.seen.contents}
    with whole_file(path) as temporary:
        save_file(tensors, temporary, metadata={_HEADER: json.dumps(header)})


def read_fitted(path: Path) -> Kept:
    """What `write_fitted` wrote; nothing is imported.

    Raises:
        DataError: a missing or damaged file, or one that is not a post-hoc method of this version.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected a method saved with `closegap posthoc fit`")
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        raise DataError(f"{path}: damaged ({error}); fit the method again") from error
    try:
        header = json.loads(metadata.get(_HEADER, "{}"))
        if header.get("format") != _FORMAT:
            raise DataError(f"{path}: not a post-hoc method of this version; write it with `closegap posthoc fit`")
        fitted = Fitted(
            state={name.removeprefix(_STATE): value for name, value in tensors.items() if name.startswith(_STATE)},
            modalities=tuple(header["modalities"]),
            width=header["width"],
            seen=Seen(tensors["seen/ids"], tensors["seen/contents"], header["row_numbered"]),
        )
        return Kept(header["class"], header["settings"], fitted)
    except (AttributeError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise unusable(path, error) from error


def unusable(path: Path, error: Exception) -> DataError:
    """The error of a header that does not fit the method it names."""
    return DataError(f"{path}: its header cannot be used ({error}); fit the method again")
