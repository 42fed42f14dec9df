import pytest

from closegap.evaluation.metric import describe
from closegap.evaluation.report import Estimate


@pytest.mark.parametrize(
    ("name", "title", "direction", "unit"),
    [
        ("gap", "Modality gap", "down", "decimal"),
        ("cos_true_pairs", "cos true pairs", "none", "decimal"),
        ("cos_null", "cos null", "zero", "decimal"),
        ("cos_corrected", "cos corrected", "up", "decimal"),
        ("image_to_caption/R@10", "image → caption R@10", "up", "percent"),
        ("image_to_caption/median_rank", "image → caption Median rank", "down", "count"),
        ("chest_film_to_report/mrr", "chest film → report MRR", "up", "decimal"),
        ("mixed/R@10", "Mixed search R@10", "up", "percent"),
        ("mixed/ndcg@10", "Mixed search nDCG@10", "up", "decimal"),
        ("mixed_balanced/modality_difference", "Balanced mixed search Modality difference", "zero", "percent"),
        ("separability_auc", "Separability AUC", "down", "decimal"),
        ("v_measure", "V-measure", "up", "decimal"),
        ("mean_angular/image", "Mean cosine, image", "none", "decimal"),
        ("a_new_metric", "a_new_metric", "none", "decimal"),
    ],
)
def test_names_of_the_public_schema(name: str, title: str, direction: str, unit: str) -> None:
    metric = describe(name)
    assert (metric.title, metric.direction, metric.unit, metric.pair) == (title, direction, unit, "")


def test_pair_stands_before_the_colon() -> None:
    metric = describe("image|caption:caption_to_image/R@1")
    assert (metric.pair, metric.base, metric.label) == ("image|caption", "caption_to_image/R@1", "R@1")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("gap", 0.11349, "0.113"),
        ("gap", -0.0001, "0.000"),
        ("mixed/R@10", 0.0, "0.0%"),
        ("x_to_y/R@1", 1.0, "100.0%"),
        ("x_to_y/median_rank", 12.0, "12"),
        ("x_to_y/median_rank", 12.5, "12.5"),
    ],
)
def test_text(name: str, value: float, text: str) -> None:
    assert describe(name).text(value) == text


def test_no_interval_without_both_ends() -> None:
    assert describe("gap").interval(Estimate(0.1)) == ""
    assert describe("x_to_y/R@1").interval(Estimate(0.1, 0.0512, 0.2)) == "[5.1, 20.0]"


def test_merit_follows_the_direction() -> None:
    better_first = {"gap": (0.1, 0.2), "cos_corrected": (0.2, 0.1), "cos_null": (-0.01, 0.02)}
    for name, (better, worse) in better_first.items():
        first, second = describe(name).merit(better), describe(name).merit(worse)
        assert first is not None
        assert second is not None
        assert first > second
    assert describe("cos_true_pairs").merit(0.5) is None
