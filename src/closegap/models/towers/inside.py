"""Towers inside towers, as folders of models hold them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from closegap.models.base import Encoder
from closegap.models.recipe import trusted_class


def packed_inside(encoder: Encoder, folder: Path) -> dict[str, Any]:
    """The class of a tower, and what it packs; see `Encoder.pack`."""
    return {"class_path": encoder.recipe.class_path, "init_args": encoder.pack(folder)}


def unpacked_inside(packed: Mapping[str, Any], folder: Path, where: str) -> Encoder:
    """The tower that was packed, its weights not yet loaded; closegap's own alone are imported.

    Args:
        packed: what `packed_inside` returned.
        folder: that was packed into.
        where: what names it, for errors.
    """
    found = trusted_class(packed["class_path"], Encoder, (), where)  # type: ignore[type-abstract]
    return found.unpack(folder, packed["init_args"])
