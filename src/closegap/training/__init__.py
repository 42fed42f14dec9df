"""Training: the contrastive step, the loop, what it minimises."""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.training.alignment import Alignment as Alignment

_HOMES = {"Alignment": "closegap.training.alignment"}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
