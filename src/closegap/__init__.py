"""Measure the modality gap of multimodal embeddings, close it, and prove on real tasks that closing it helped."""

from typing import TYPE_CHECKING, Any

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.embeddings.embedding_set import EmbeddingSet as EmbeddingSet
    from closegap.evaluation.audit import audit as audit
    from closegap.models.model import Model as Model
    from closegap.runs.load import load as load

    __version__: str

_HOMES = {
    "EmbeddingSet": "closegap.embeddings.embedding_set",
    "Model": "closegap.models.model",
    "audit": "closegap.evaluation.audit",
    "load": "closegap.runs.load",
}

__all__ = [*_HOMES, "__version__"]

_lookup, __dir__ = face(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("closegap")
    return _lookup(name)
