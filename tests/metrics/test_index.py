"""One index of several modalities: what a stage sees, and that none changes nothing."""

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from closegap.metrics import tiles
from closegap.metrics.base import Metric
from closegap.metrics.bootstrap import resample_counts
from closegap.metrics.couple import Couple
from closegap.metrics.index import MixedIndex
from closegap.metrics.nearest import nearest
from closegap.metrics.positives import Pairs, Rows
from closegap.metrics.ranks import ranks_of_scores, retrieval_ranks
from closegap.metrics.stage import Stage
from closegap.metrics.standard import standard_metrics
from closegap.scores import Standardise
from closegap.testing.full_set import full_set


class Unchanged:
    def adjusted(self, scores: Tensor, query_modality: str, target_modality: str) -> Tensor:
        return scores


@dataclass
class Halved:
    """Halves the scores of images, and remembers what it was asked."""

    asked: list[tuple[str, str, int]] = field(default_factory=list)

    def adjusted(self, scores: Tensor, query_modality: str, target_modality: str) -> Tensor:
        self.asked.append((query_modality, target_modality, scores.shape[1]))
        return scores / 2 if target_modality == "image" else scores


def rows(n: int, modality: str, seed: int) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.arange(n)
    embeddings = normalize(torch.randn(n, 5, generator=generator, dtype=torch.float64), dim=1)
    return Rows(embeddings, numbers, numbers, numbers, modality)


IMAGE, TEXT, QUERIES = rows(30, "image", 0), rows(20, "text", 1), rows(7, "text", 2)


def test_without_a_stage_it_is_the_plain_search() -> None:
    index, together = MixedIndex((IMAGE, TEXT)), torch.cat([IMAGE.embeddings, TEXT.embeddings])
    assert torch.equal(index.nearest(QUERIES, 9), nearest(QUERIES.embeddings, together, 9))
    cases = torch.cat([IMAGE.cases, TEXT.cases])
    plain = retrieval_ranks(QUERIES.embeddings, together, Pairs(QUERIES.cases, cases))
    assert torch.equal(index.ranks(QUERIES).best, plain.best)
    items = index.nearest(QUERIES, 9)
    assert torch.equal(index.are_of(items, "text"), items >= 30)


@pytest.mark.parametrize("at_once", [1, 2**21])
def test_a_stage_sees_all_items_of_a_modality_at_a_time(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(tiles, "_SCORES_AT_ONCE", at_once)
    monkeypatch.setattr(tiles, "_QUERIES_AT_ONCE", 2)
    stage = Halved()
    index = MixedIndex((IMAGE, TEXT), stage)
    scores = QUERIES.embeddings @ torch.cat([IMAGE.embeddings / 2, TEXT.embeddings]).T
    assert torch.equal(index.nearest(QUERIES, 50), scores.argsort(dim=1, descending=True))
    cases = Pairs(QUERIES.cases, index.cases)
    assert torch.equal(index.ranks(QUERIES).best, ranks_of_scores(scores, cases).best)
    assert set(stage.asked) == {("text", "image", 30), ("text", "text", 20)}


def test_what_is_excluded_stays_out() -> None:
    index = MixedIndex((IMAGE, TEXT), Standardise(1.0).fit(full_set()))
    own = torch.arange(20) + 30
    assert not bool((index.nearest(TEXT, 49, excluded=own) == own[:, None]).any())


@pytest.mark.parametrize("metric", standard_metrics(), ids=lambda metric: type(metric).__name__)
def test_metrics_say_whether_they_take_scores(metric: Metric) -> None:
    found = full_set(cases=40)
    counts = resample_counts(20, 2)

    def values(stage: Stage | None) -> dict[str, float]:
        couple = Couple.of(found, "image", "text", stage=stage)
        return {
            figure.name: value.value
            for _, attempt in metric.attempts(couple, counts)
            for figure, value in attempt().items()
        }

    plain = values(None)
    assert values(Unchanged()) == plain
    assert (values(Halved()) != plain) == metric.takes_scores
