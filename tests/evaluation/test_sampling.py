"""Large sets: a seeded sample asks, the full gallery answers, and the report says so."""

from collections.abc import Mapping

import pytest
import torch
from torch.nn.functional import normalize

from closegap import audit
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation import sampling
from closegap.evaluation.audit import audit_arms
from closegap.evaluation.card import Card, group_count, measure
from closegap.evaluation.sampling import sampled_cases
from closegap.metrics import bootstrap
from closegap.metrics.bootstrap import Sampled, resample_counts
from closegap.metrics.ranks import retrieval_ranks
from closegap.metrics.standard import standard_metrics

N = 150


def _set() -> EmbeddingSet:
    generator = torch.Generator().manual_seed(0)
    case = torch.randn(N, 8, generator=generator)
    x, y, z = (normalize(case + torch.randn(N, 8, generator=generator), dim=1) for _ in range(3))
    labels = {"organ": [("lung", "heart", "liver")[i % 3] for i in range(N)]}
    return EmbeddingSet({"image": x, "text": y, "record": z}, [str(i) for i in range(N)], labels=labels)


def _card(in_full: bool = False) -> Card:
    return measure(_set(), resample_counts(N, 50), in_full=in_full)


@pytest.fixture(scope="module")
def full() -> Mapping[str, Sampled]:
    """All metrics of the set in full."""
    return _card(in_full=True).metrics


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "FULL_UP_TO", 100)
    monkeypatch.setattr(sampling, "SAMPLE", 60)


@pytest.mark.usefixtures("small")
def test_sampled_queries_search_the_full_gallery(full: Mapping[str, Sampled]) -> None:
    found, embeddings = _card().metrics, _set()
    chosen = sampled_cases(N)
    assert int(chosen.sum()) == 60
    ranks = retrieval_ranks(embeddings.embeddings["image"], embeddings.embeddings["text"])
    expected = (ranks.best[chosen] <= 5).double().mean()
    assert found["image|text:image_to_text/R@5"].value == pytest.approx(float(expected))
    low, high = (found["image|text:image_to_text/R@5"].percentile(share) for share in (0.025, 0.975))
    assert low is not None
    assert high is not None
    assert low <= full["image|text:image_to_text/R@5"].value <= high
    assert found.keys() == full.keys()
    streamed = ("gap", "cos_true_pairs", "cos_null", "frechet_centred", "effective_rank", "rmg")
    for name in (f"image|text:{name}" for name in streamed):
        assert found[name].value == full[name].value
    for name in ("v_measure", "mixed/R@10", "mixed/own_modality_share", "uniformity/image", "separability_auc"):
        key = name if "/image" in name else f"image|text:{name}"
        assert found[key].value != full[key].value


@pytest.mark.usefixtures("small")
def test_a_report_says_what_was_sampled() -> None:
    told = audit(_set(), metrics="quick", resamples=20).data
    assert told["sample"]["cases"] == 60
    assert told["sample"]["of"] == N
    assert "over the full gallery" in told["sample"]["note"]
    assert told["sample"]["note"] in told["notes"]
    assert "sample" not in audit(_set(), metrics="quick", resamples=20, in_full=True).data
    found = audit_arms(_set(), {}, metrics=standard_metrics("quick"), resamples=20)
    assert any("drawn at random" in note for note in found.notes)


def test_small_sets_are_measured_in_full(full: Mapping[str, Sampled]) -> None:
    assert "sample" not in audit(_set(), metrics="quick", resamples=20).data
    found = _card().metrics
    assert {name: one.value for name, one in found.items()} == {name: one.value for name, one in full.items()}


def test_lots_of_groups_give_the_intervals_of_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(20_000, generator=generator).double()
    groups = torch.arange(20_000)
    spreads = []
    for most in (500, 50_000):
        monkeypatch.setattr(bootstrap, "_MOST_LOTS", most)
        counts = resample_counts(20_000, 400)
        assert counts.shape[1] == min(most, 20_000)
        found = bootstrap.estimates(bootstrap.weighted_means({"mean": values}), groups, counts)["mean"]
        assert found.value == pytest.approx(float(values.mean()))
        spreads.append(float(found.draws.std()))
    expected = float(values.std()) / 20_000**0.5
    assert spreads == pytest.approx([expected, expected], rel=0.15)


def test_location_of_lots_is_that_of_all_cases(full: Mapping[str, Sampled], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_MOST_LOTS", 40)
    counts = resample_counts(group_count(_set()), 400)
    lots = measure(_set(), counts, standard_metrics("quick")).metrics
    for name in ("image|text:gap", "image|text:gap_floor", "image|text:cos_null", "image|text:rmg"):
        assert lots[name].value == pytest.approx(full[name].value)
    assert float(lots["image|text:cos_true_pairs"].draws.std()) == pytest.approx(
        float(full["image|text:cos_true_pairs"].draws.std()), rel=0.5
    )
