"""Towers that are trained from the activations of their frozen blocks."""

import copy
import logging
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.models.prefixed import PrefixedEncoder
from torch import Tensor, nn

from closegap.errors import UsageError
from closegap.models import Encoder, SmallTextEncoder, TimmImageEncoder, TransformersTextEncoder
from closegap.models.towers.cut import Cut, bypassed
from closegap.testing import check_encoder

TEXTS = ["Chest CT of the left lung", "normal", "No masses and no effusion in the lung"]


def test_an_encoder_of_anybody_holds_to_it() -> None:
    check_encoder(PrefixedEncoder(), TEXTS)


class Leaking(PrefixedEncoder):
    """Goes on from something else than `forward` does."""

    def resume(self, activations: Tensor) -> Tensor:  # type: ignore[override]
        return 2 * super().resume(activations)  # type: ignore[arg-type]

    def forward(self, inputs: Tensor) -> Tensor:
        return PrefixedEncoder.resume(self, self.front(inputs))


class Stale(PrefixedEncoder):
    """Keeps what is trained."""

    @property
    def prefix(self) -> nn.Module | None:
        found = copy.copy(self.front)
        found._modules = {**self.front._modules, "rear": self.rear}
        return found


@pytest.mark.parametrize(
    ("broken", "message"),
    [(Leaking, "Leaking: resumed from its prefix, a feature is"), (Stale, r"Stale: its prefix holds rear\.0\.weight")],
)
def test_the_check_finds_prefixes_that_do_not(broken: type[Encoder], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_encoder(broken(), TEXTS)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit", "test_convnext", "test_byobnet"])
@pytest.mark.parametrize("blocks", [1, 2])
def test_image_towers_go_on_from_their_prefix(name: str, blocks: int) -> None:
    """Batch normalisation of trained blocks takes its statistics from the batch, that of frozen ones keeps its own."""
    torch.manual_seed(0)
    encoder = TimmImageEncoder(name, "random", trained_blocks=blocks)
    assert encoder.prefix is not None
    check_encoder(encoder, [Image.linear_gradient("L"), Image.radial_gradient("L")])
    trained = {name for name, parameter in encoder.named_parameters() if parameter.requires_grad}
    inside = {id(parameter) for parameter in encoder.prefix.parameters()}
    assert not any(id(parameter) in inside for name, parameter in encoder.named_parameters() if name in trained)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_text_towers_go_on_from_their_prefix(bert: Path, pooling: str) -> None:
    encoder = TransformersTextEncoder(str(bert), pooling=pooling, trained_blocks=1)  # type: ignore[arg-type]
    assert encoder.prefix is not None
    check_encoder(encoder, TEXTS)
    found = encoder.activations(encoder.preparer()(TEXTS))
    assert found.lengths is not None
    assert found.lengths.tolist() == [8, 3, 11]
    assert not found.values[1, 3:].any()


@pytest.mark.parametrize("blocks", [None, 0])
def test_what_is_trained_or_frozen_as_a_whole_has_no_prefix(bert: Path, blocks: int | None) -> None:
    for encoder in (
        TimmImageEncoder("test_vit", "random", trained_blocks=blocks),
        TransformersTextEncoder(str(bert), trained_blocks=blocks),
    ):
        assert encoder.prefix is None
        assert encoder.prefix_fingerprint() is None


def test_towers_without_a_prefix_say_so() -> None:
    encoder = SmallTextEncoder(dim=8, layers=1, heads=1)
    assert encoder.prefix is None
    with pytest.raises(UsageError, match="SmallTextEncoder has no prefix to go on from"):
        encoder.resume(PrefixedEncoder().activations(torch.ones(1, 1, dtype=torch.long)))


def test_a_tower_that_cannot_be_cut_is_trained_as_a_whole(caplog: pytest.LogCaptureFixture) -> None:
    """EVA's blocks read positions that belong to none of them."""
    with caplog.at_level(logging.WARNING):
        encoder = TimmImageEncoder("eva02_tiny_patch14_224", "random", trained_blocks=1, size=28)
    assert encoder.prefix is None
    assert "its frozen blocks run at every step" in caplog.text
    assert not encoder.frozen


def test_the_parts_before_the_first_trained_one_are_the_front() -> None:
    tower = nn.Sequential(nn.Linear(2, 3), nn.Dropout(), nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 4)), nn.ReLU())
    tower.requires_grad_(False)[2][1].requires_grad_(True)  # type: ignore[index]
    cut = Cut.of(tower)
    assert (cut.front, cut.rear) == ({"0", "1", "2.0"}, {"2.1", "3"})
    x = torch.randn(5, 2)
    tower.eval()
    assert torch.equal(bypassed(tower, cut.front)(bypassed(tower, cut.rear)(x)), tower(x))
    assert Cut.of(nn.Linear(2, 2)).front == set()


def test_frozen_blocks_are_evaluated_with_all_that_has_no_weights() -> None:
    encoder = PrefixedEncoder(dropout=0.5).train()
    assert not encoder.front.drop.training
    assert encoder.rear[2].training
