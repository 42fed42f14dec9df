"""Weighted sums, schedules, and the objective that closes the gap."""

import pytest
import torch
from jsonargparse import ArgumentParser
from tests.losses.arms import draw
from torch.nn.functional import normalize

from closegap.losses import (
    AUTHORS_ALIGN,
    AUTHORS_UNIFORMITY,
    AlignTruePairs,
    CentroidUniformity,
    EmbeddedBatch,
    GapClosing,
    InfoNCE,
    Loss,
    Weighted,
    WeightedSum,
    centroid_uniformity,
)
from closegap.schedule import Schedule

BATCH = draw(0)


def terms(loss: Loss, progress: float = 0.0) -> dict[str, float]:
    return {name: value.item() for name, value in loss(BATCH.embeddings, {}, 0.2, progress).items()}


def test_gap_closing_is_the_sum_of_its_parts() -> None:
    parts = terms(InfoNCE()) | terms(AlignTruePairs("image")) | terms(CentroidUniformity())
    assert list(terms(GapClosing())) == ["contrastive", "align", "uniformity"]
    assert terms(GapClosing()) == pytest.approx(parts)
    weighted = terms(GapClosing(align=3, uniformity=0.5))
    assert weighted == pytest.approx(parts | {"align": 3 * parts["align"], "uniformity": 0.5 * parts["uniformity"]})
    assert terms(GapClosing(paper=True)) == pytest.approx(parts | terms(CentroidUniformity(paper=True)))


def test_constant_and_opposite_modalities_cancel_but_where_centroids_keep_their_length() -> None:
    generator = torch.Generator().manual_seed(0)
    image = normalize(torch.randn(16, 8, generator=generator), dim=1)
    pole = normalize(torch.ones(16, 8), dim=1)
    poles = {"caption": image, "image": image, "french": pole, "spanish": -pole}
    agreeing = dict.fromkeys(poles, image)
    assert centroid_uniformity(poles, {}).item() == pytest.approx(centroid_uniformity(agreeing, {}).item())
    assert centroid_uniformity(poles, {}, paper=True) > centroid_uniformity(agreeing, {}, paper=True) + 1


@pytest.mark.parametrize(
    ("progress", "align", "uniformity"),
    [(0.0, 1, 1), (0.2, 1, 1), (0.45, 1, 0.5), (0.5, 1, 0.4), (0.7, 1.4, 0), (1.0, 2, 0)],
)
def test_the_authors_schedule(progress: float, align: float, uniformity: float) -> None:
    parts = terms(GapClosing())
    scheduled = terms(GapClosing(AUTHORS_ALIGN, AUTHORS_UNIFORMITY), progress)
    assert scheduled["align"] == pytest.approx(align * parts["align"])
    assert scheduled["uniformity"] == pytest.approx(uniformity * parts["uniformity"])
    assert scheduled["contrastive"] == parts["contrastive"]


def test_terms_of_one_name_add_up() -> None:
    both = WeightedSum([Weighted(AlignTruePairs("image"), 2.0), Weighted(AlignTruePairs("report"))])
    expected = 2 * terms(AlignTruePairs("image"))["align"] + terms(AlignTruePairs("report"))["align"]
    assert terms(both) == pytest.approx({"align": expected})


def test_a_sum_holds_the_parameters_of_its_losses() -> None:
    class Learned(Loss):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def terms(self, batch: EmbeddedBatch) -> dict[str, torch.Tensor]:
            return {"learned": self.scale}

    assert len(list(WeightedSum([Weighted(Learned())]).parameters())) == 1


def test_configured_from_yaml(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = tmp_path_factory.mktemp("config") / "loss.yaml"
    config.write_text(
        """
loss:
  class_path: closegap.losses.WeightedSum
  init_args:
    losses:
      - loss: {class_path: closegap.losses.SigLIP, init_args: {bias: -5}}
      - loss:
          class_path: closegap.losses.GapClosing
          init_args:
            align: {class_path: closegap.schedule.Schedule, init_args: {points: [[0.5, 1], [1, 2]]}}
            uniformity: 0.5
        weight: 2
"""
    )
    parser = ArgumentParser()
    parser.add_argument("--config", action="config")
    parser.add_argument("--loss", type=Loss)
    built = parser.instantiate(parser.parse_args([f"--config={config}"])).loss
    halfway = 2 * 1.5
    assert terms(built, 0.75)["align"] == pytest.approx(halfway * terms(AlignTruePairs())["align"])
    assert terms(built, 0.75)["uniformity"] == pytest.approx(terms(CentroidUniformity())["uniformity"])


def test_a_schedule_may_be_given_directly() -> None:
    loss = GapClosing(align=Schedule([(0.0, 0.0), (1.0, 1.0)]))
    assert terms(loss, 0.25)["align"] == pytest.approx(0.25 * terms(AlignTruePairs())["align"])
