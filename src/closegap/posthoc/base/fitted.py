"""What a fit leaves behind, and the file that keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from closegap.errors import DataError
from closegap.posthoc.base.seen import Seen
from closegap.sealed import load_sealed, read_says, save_sealed

_FORMAT = 3
_HEADER = "closegap_posthoc"
_STATE = "state/"
_AGAIN = "fit the method again"


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves behind.

    Args:
        state: the estimates.
        widths: the modalities that they are for, and how many dimensions each has.
        seen: the rows that they come from.
    """

    state: Mapping[str, Tensor]
    widths: Mapping[str, int]
    seen: Seen

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that were fitted, in order."""
        return tuple(self.widths)


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
        "widths": dict(fitted.widths),
        "row_numbered": fitted.seen.row_numbered,
    }
    tensors = {_STATE + name: value.contiguous() for name, value in fitted.state.items()}
    tensors |= {"seen/ids": fitted.seen.ids, "seen/contents": fitted.seen.contents}
    save_sealed(path, tensors, _HEADER, header)


def read_fitted(path: Path) -> Kept:
    """What `write_fitted` wrote; nothing is imported.

    Raises:
        DataError: a missing or damaged file, or one that is not a post-hoc method of this version.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected a method saved with `closegap posthoc fit`")
    header = read_says(path, _HEADER, _AGAIN)
    if header.get("format") != _FORMAT:
        raise DataError(f"{path}: not a post-hoc method of this version; write it with `closegap posthoc fit`")
    try:
        tensors = load_sealed(path, _AGAIN)
        seen = Seen(tensors["seen/ids"], tensors["seen/contents"], header["row_numbered"])
        fitted = Fitted(
            state={name.removeprefix(_STATE): value for name, value in tensors.items() if name.startswith(_STATE)},
            widths=dict(header["widths"]),
            seen=seen,
        )
        _expect_sound(fitted)
        return Kept(header["class"], dict(header["settings"]), fitted)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise unusable(path, error) from error


def _expect_sound(fitted: Fitted) -> None:
    """Refuse what no fit leaves behind.

    Raises:
        ValueError: it says what.
    """
    seen = fitted.seen
    if len(fitted.widths) < 2:
        raise ValueError(f"modalities {list(fitted.widths)}, expected two or more")
    for name, width in fitted.widths.items():
        if type(width) is not int or width < 1:
            raise ValueError(f"width {width!r} of {name}, expected a number")
    if type(seen.row_numbered) is not bool:
        raise ValueError(f"row_numbered {seen.row_numbered!r}, expected a bool")
    for what, tensor in {"seen/ids": seen.ids, "seen/contents": seen.contents}.items():
        if tensor.dtype != torch.int64 or tensor.ndim != 1:
            raise ValueError(f"{what} is {tensor.dtype} {tuple(tensor.shape)}, expected torch.int64 of one dimension")
    for name, tensor in fitted.state.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{name} of its state is not finite")


def unusable(path: Path, error: Exception) -> DataError:
    """The error of a header or a state that does not fit the method it names."""
    return DataError(f"{path}: cannot be used ({type(error).__name__}: {' '.join(str(error).split())}); {_AGAIN}")
