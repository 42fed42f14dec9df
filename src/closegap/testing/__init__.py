"""What our own tests run on every class of a kind, to run on yours; each check raises AssertionError and says why."""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.testing.encoder import check_encoder as check_encoder
    from closegap.testing.index import check_index as check_index
    from closegap.testing.kind import check_kind as check_kind
    from closegap.testing.loss import check_loss as check_loss
    from closegap.testing.metric import check_metric as check_metric
    from closegap.testing.posthoc import check_posthoc as check_posthoc
    from closegap.testing.scores import check_scores as check_scores
    from closegap.testing.source import check_source as check_source

_HOMES = {
    "check_encoder": "closegap.testing.encoder",
    "check_index": "closegap.testing.index",
    "check_kind": "closegap.testing.kind",
    "check_loss": "closegap.testing.loss",
    "check_metric": "closegap.testing.metric",
    "check_posthoc": "closegap.testing.posthoc",
    "check_scores": "closegap.testing.scores",
    "check_source": "closegap.testing.source",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
