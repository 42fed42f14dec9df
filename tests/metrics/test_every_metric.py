"""Every metric of a report keeps what every metric promises."""

import pytest

from closegap.metrics import Metric, standard_metrics
from closegap.metrics.mixed_balanced import MixedBalanced
from closegap.metrics.mixed_matched import MixedMatched
from closegap.metrics.probing import Probing
from closegap.metrics.separability import Separability
from closegap.testing import check_metric

BY_CASE = (
    MixedBalanced,
    MixedMatched,
    Probing,
    Separability,
)  # coins and folds are drawn by the number of a case or its group


@pytest.mark.parametrize("metric", standard_metrics(), ids=lambda metric: type(metric).__name__)
def test_it_keeps_what_every_metric_promises(metric: Metric) -> None:
    check_metric(metric, without=["cases"] if isinstance(metric, BY_CASE) else [])
