"""What the methods share. Every module beside this package is a method."""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.posthoc.base.anchor import anchor_of as anchor_of
    from closegap.posthoc.base.method import PostHoc as PostHoc
    from closegap.posthoc.base.sweep import Sweep as Sweep

_HOMES = {
    "PostHoc": "closegap.posthoc.base.method",
    "Sweep": "closegap.posthoc.base.sweep",
    "anchor_of": "closegap.posthoc.base.anchor",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
