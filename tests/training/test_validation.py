import pytest
import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.metrics.gap import GAP
from closegap.training.validation import selecting_figure, validation_figures, validation_metrics


def _unit(n: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, 6, generator=torch.Generator().manual_seed(seed)))


def _ids(n: int) -> list[str]:
    return [f"{i}" for i in range(n)]


def _measured(embeddings: EmbeddingSet) -> dict[str, float]:
    return {figure.full_name: value for figure, value in validation_metrics(embeddings).items()}


def test_two_modalities_have_plain_names() -> None:
    a, b = _unit(30, 0).double(), _unit(30, 1).double()
    metrics = _measured(EmbeddingSet({"image": a, "report": b}, _ids(30)))
    cosines = a @ b.T
    assert metrics["cos_true_pairs"] == pytest.approx(cosines.diag().mean().item())
    assert metrics["gap"] == pytest.approx((a.mean(0) - b.mean(0)).norm().item())
    ranks = {"image_to_report": (cosines > cosines.diag().view(-1, 1)).sum(1)}
    ranks["report_to_image"] = (cosines > cosines.diag()).sum(0)
    for direction, better in ranks.items():
        for k in (1, 5, 10):
            assert metrics[f"{direction}/R@{k}"] == pytest.approx((better < k).double().mean().item())
    mean = (metrics["image_to_report/R@10"] + metrics["report_to_image/R@10"]) / 2
    assert metrics["R@10"] == pytest.approx(mean)
    assert set(metrics) == {
        "gap",
        "cos_true_pairs",
        "cos_null",
        *(f"{direction}R@{k}" for direction in ("image_to_report/", "report_to_image/", "") for k in (1, 5, 10)),
    }


def test_more_modalities_name_their_pairs_and_recall_is_the_mean_over_all() -> None:
    values = {"a": _unit(20, 0), "b": _unit(20, 0), "c": _unit(20, 2)}
    metrics = _measured(EmbeddingSet(values, _ids(20)))
    assert metrics["a|b:gap"] == pytest.approx(0, abs=1e-6)
    assert metrics["a|b:a_to_b/R@1"] == metrics["a|b:b_to_a/R@1"] == 1
    assert metrics["a|c:cos_true_pairs"] == metrics["b|c:cos_true_pairs"] < 0.5
    single = [value for name, value in metrics.items() if name.endswith("/R@1")]
    assert len(single) == 6
    assert metrics["R@1"] == pytest.approx(sum(single) / 6)
    assert "gap" not in metrics


def test_pairs_that_no_case_has_are_left_out() -> None:
    values = {"a": _unit(20, 0), "b": _unit(20, 1), "c": _unit(20, 2)}
    half = torch.arange(20) < 10
    metrics = _measured(EmbeddingSet(values, _ids(20), present={"b": half, "c": ~half}))
    assert {name.partition(":")[0] for name in metrics if ":" in name} == {"a|b", "a|c"}
    assert set(metrics) & {"R@1", "R@5", "R@10"}


def test_one_case_or_none_measures_nothing() -> None:
    for n in (0, 1):
        assert validation_metrics(EmbeddingSet({"a": _unit(n, 0), "b": _unit(n, 1)}, _ids(n))) == {}


@pytest.mark.parametrize("modalities", [("image", "report"), ("a", "b", "c")])
def test_figures_are_known_without_embeddings(modalities: tuple[str, ...]) -> None:
    given = EmbeddingSet({name: _unit(20, i) for i, name in enumerate(modalities)}, _ids(20))
    assert validation_figures(modalities) == list(validation_metrics(given))


def test_only_what_has_a_better_direction_selects() -> None:
    figures = validation_figures(("image", "report"))
    assert selecting_figure("gap", figures) == GAP
    with pytest.raises(
        UsageError, match=r"^train\.select: of 'cos_true_pairs' neither direction is better; choose one"
    ):
        selecting_figure("cos_true_pairs", figures)
    with pytest.raises(UsageError, match=r"^train\.select: 'R@7' is not measured .*; there are gap, cos_true_pairs"):
        selecting_figure("R@7", figures)
