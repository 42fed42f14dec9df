import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.evaluation.card import Card, group_count, measure
from closegap.evaluation.compare import Result, compare
from closegap.metrics.base import Measured, Metric
from closegap.metrics.bootstrap import Sampled, resample_counts
from closegap.metrics.couple import Counts, Couple
from closegap.metrics.gap import GAP, modality_gap
from closegap.metrics.grouping import Grouping
from closegap.metrics.location import Location
from closegap.metrics.ranks import ranks_of_scores
from closegap.metrics.retrieval import recall_at_k
from closegap.metrics.standard import standard_metrics

N, WIDTH = 40, 6


def embedding_set(modalities: tuple[str, ...] = ("image", "text"), *, labelled: bool = True) -> EmbeddingSet:
    generator = torch.Generator().manual_seed(0)
    case = torch.randn(N, WIDTH, generator=generator)
    rows = {
        name: normalize(case + torch.randn(N, WIDTH, generator=generator) + 2 * torch.eye(WIDTH)[i], dim=1)
        for i, name in enumerate(modalities)
    }
    labels = {"organ": ["lung", "heart"] * (N // 2), "side": ["left"] * N} if labelled else {}
    return EmbeddingSet(rows, [f"case {i}" for i in range(N)], labels=labels)


def card(embeddings: EmbeddingSet, **options: object) -> Card:
    return measure(embeddings, resample_counts(group_count(embeddings), resamples=20), **options)  # type: ignore[arg-type]


def test_every_family_stands_under_its_public_names() -> None:
    found = card(embedding_set(("image", "text", "record")))
    bases = {figure.name for figure in found.figures.values()}
    assert list(found.figures) == list(found.metrics)
    assert bases >= {
        "gap", "cos_true_pairs", "cos_null", "cos_corrected", "rmg", "mean_angular/image",
        "image_to_text/R@1", "text_to_image/R@10", "image_to_text/median_rank", "image_to_text/mrr",
        "record_to_text/map",
        "image_to_text/hubness_skewness", "text_to_image/never_retrieved",
        "mixed/R@10", "mixed/own_modality_share", "mixed/expected_own_share",
        "mixed_balanced/R@10", "mixed_balanced/modality_difference",
        "mixed/ndcg@10", "mixed/ndcg@10/image", "mixed/ndcg@10/text", "mixed/ndcg@10/chance",
        "v_measure", "ari", "nmi", "homogeneity", "knn/image_to_text", "linear/text_to_text", "probe/majority",
        "separability_auc", "separability_accuracy", "frechet_centred", "squared_mmd",
        "uniformity/image", "cross_uniformity", "centroid_uniformity", "effective_rank/text", "effective_rank",
    }  # fmt: skip
    assert all(figure.meaning for figure in found.figures.values())


def test_names_have_the_pair_in_front_only_where_there_are_several() -> None:
    two, three = (
        card(embedding_set(), metrics=(Location(),)),
        card(embedding_set(("a", "b", "c")), metrics=(Location(),)),
    )
    assert "gap" in two.metrics
    assert {"a|b:gap", "a|c:gap", "b|c:gap"} <= set(three.metrics)
    assert "gap" not in three.metrics


def test_one_pass_fills_two_metrics_and_is_left_out_once() -> None:
    apart = embedding_set()
    half = torch.arange(N) < N // 2
    found = card(
        EmbeddingSet(apart.embeddings, apart.ids, present={"image": half, "text": ~half}),
        metrics=standard_metrics("quick"),
    )
    assert [item.what for item in found.skipped] == ["location", "image_to_text", "text_to_image"]
    assert "no case has both modalities" in found.skipped[0].reason


def test_two_metrics_cannot_call_different_numbers_alike() -> None:
    with pytest.raises(UsageError, match="two metrics call a number 'gap'; give the figure of one of them another"):
        card(embedding_set(), metrics=[Location(), Imposter()])


class Imposter(Metric):
    """A second gap."""

    def measure(self, couple: Couple, counts: Counts) -> Measured:
        return {replace(GAP, label="My gap"): Sampled(0.0, torch.empty(0))}


def test_values_are_those_of_the_metric_functions() -> None:
    given = embedding_set()
    image, text = given.embeddings["image"], given.embeddings["text"]
    found = card(given).metrics
    assert found["gap"].value == pytest.approx(float(modality_gap(image, text)))
    recall = recall_at_k(ranks_of_scores(image @ text.T), 5)
    assert found["image_to_text/R@5"].value == pytest.approx(float(recall))


def test_what_cannot_be_measured_says_why() -> None:
    found = card(embedding_set(labelled=False))
    reasons = {item.what: item.reason for item in found.skipped}
    assert set(reasons) == {"mixed_balanced", "mixed/ndcg@10", "v_measure, ari, nmi, homogeneity", "probes"}
    assert "further view" in reasons["mixed_balanced"]
    assert all("labels" in reasons[what] for what in reasons if what != "mixed_balanced")


def test_one_label_that_fails_leaves_the_others() -> None:
    found = card(embedding_set())
    assert "v_measure" in found.metrics
    assert "v_measure/side" not in found.metrics
    assert {"v_measure, ari, nmi, homogeneity of side", "probes of side"} <= {item.what for item in found.skipped}


def test_further_labels_stand_under_their_name() -> None:
    given = embedding_set()
    labels = {"side": ["left"] * N, "organ": given.labels["organ"]}
    found = card(EmbeddingSet(given.embeddings, given.ids, labels=labels), metrics=[Grouping()])
    assert "v_measure" not in found.metrics
    assert found.metrics["v_measure/organ"].value == card(given, metrics=[Grouping()]).metrics["v_measure"].value
    assert found.figures["v_measure/organ"].label == "V-measure organ"
    assert not found.figures["v_measure/organ"].key


def test_second_captions_query_the_balanced_index() -> None:
    given = embedding_set()
    ids = [f"case {i // 2}" for i in range(N)]
    once = torch.arange(N) % 2 == 0
    found = card(EmbeddingSet(given.embeddings, ids, present={"image": once}))
    assert found.metrics["mixed_balanced/R@10"].low is not None
    assert found.metrics["mixed/expected_own_share"].value == pytest.approx((N / 2 - 1) / (N - 1))


def test_the_quick_card_is_a_part_of_the_whole_one() -> None:
    quick, whole = card(embedding_set(), metrics=standard_metrics("quick")).metrics, card(embedding_set()).metrics
    assert set(quick) < set(whole)
    assert all(whole[name].value == found.value for name, found in quick.items())


def test_arms_without_seeds_have_no_seeds_in_the_report(tmp_path: Path) -> None:
    given = embedding_set()
    found = compare([Result("a", None, given), Result("b", None, given)], resamples=10)
    assert "seeds" not in found.report.data
    assert found.differences["b"]["v_measure"].value == 0
    found.report.save(tmp_path / "report.json")
    stored = json.loads((tmp_path / "report.json").read_text())
    assert [arm["name"] for arm in stored["arms"]] == ["a", "b"]
    assert stored["metrics"].keys() == stored["arms"][0]["metrics"].keys()
