"""Measure the modality gap of multimodal embeddings, close it, and prove on real tasks that closing it helped."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from closegap.embeddings.embedding_set import EmbeddingSet
    from closegap.evaluation.audit import audit

    __version__: str

__all__ = ["EmbeddingSet", "__version__", "audit"]

_WHERE = {"EmbeddingSet": "closegap.embeddings.embedding_set", "audit": "closegap.evaluation.audit"}


def __getattr__(name: str) -> Any:
    """Imported when first asked for, so that `import closegap.losses` stays light."""
    if name == "__version__":
        return import_module("importlib.metadata").version("closegap")
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
