"""Measure the modality gap of multimodal embeddings, close it, and prove on real tasks that closing it helped."""

from typing import TYPE_CHECKING, Any

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap import data as data
    from closegap import distributed as distributed
    from closegap import embeddings as embeddings
    from closegap import kinds as kinds
    from closegap import losses as losses
    from closegap import metrics as metrics
    from closegap import models as models
    from closegap import posthoc as posthoc
    from closegap import testing as testing
    from closegap.api.audit import audit as audit
    from closegap.api.compare import compare as compare
    from closegap.api.embed import embed as embed
    from closegap.api.evaluate import evaluate as evaluate
    from closegap.api.study import study as study
    from closegap.api.train import resume as resume
    from closegap.api.train import train as train
    from closegap.embeddings.embedding_set import EmbeddingSet as EmbeddingSet
    from closegap.models.model import Model as Model
    from closegap.runs.load import load as load

    __version__: str

_HOMES = {
    "EmbeddingSet": "closegap.embeddings.embedding_set",
    "Model": "closegap.models.model",
    "audit": "closegap.api.audit",
    "compare": "closegap.api.compare",
    "data": "closegap.data",
    "distributed": "closegap.distributed",
    "embed": "closegap.api.embed",
    "embeddings": "closegap.embeddings",
    "evaluate": "closegap.api.evaluate",
    "kinds": "closegap.kinds",
    "load": "closegap.runs.load",
    "losses": "closegap.losses",
    "metrics": "closegap.metrics",
    "models": "closegap.models",
    "posthoc": "closegap.posthoc",
    "resume": "closegap.api.train",
    "study": "closegap.api.study",
    "testing": "closegap.testing",
    "train": "closegap.api.train",
}

__all__ = [*_HOMES, "__version__"]

_lookup, __dir__ = face(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("closegap")
    return _lookup(name)
