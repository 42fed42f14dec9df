"""`check_loss` passes what is sound, and finds and names each fault."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from closegap.errors import UsageError
from closegap.losses import AlignTruePairs, EmbeddedBatch, Loss, mean_over_pairs
from closegap.losses.processes import processes
from closegap.losses.tiling import takes_tiles
from closegap.testing import check_loss

Distance = Callable[[EmbeddedBatch, Tensor, Tensor], Tensor]


class Pulled(Loss):
    """A distance of true pairs."""

    def __init__(self, distance: Distance) -> None:
        super().__init__()
        self.distance = distance

    def terms(self, batch: EmbeddedBatch) -> dict[str, Tensor]:
        return {"align": mean_over_pairs(batch, lambda a, b, _: self.distance(batch, a, b))}


def sound(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum() / max(len(a), 1)


def of_absent_rows(batch: EmbeddedBatch, a: Tensor, b: Tensor) -> Tensor:
    return sound(a, b) + batch.embeddings["image"].nan_to_num().square().sum()


def of_group_numbers(batch: EmbeddedBatch, a: Tensor, b: Tensor) -> Tensor:
    return sound(a, b) * (1.0 if batch.groups is None else batch.groups.sum())


FAULTS: dict[str, tuple[Distance, str]] = {
    "terms": (lambda _, a, b: sound(a, b) * torch.rand(()), "the same batch again: the term 'align' is off by"),
    "rows": (lambda _, a, b: (a - b).square().sum(1) @ torch.arange(len(a)).to(a), "cases in another order"),
    "rotation": (lambda _, a, b: sound(a[:, :1], b[:, :1]), "rotated rows: the term 'align' is off by"),
    "absent": (of_absent_rows, "absent rows that are infinite"),
    "groups": (of_group_numbers, "groups under other numbers"),
    "degenerate": (
        lambda _, a, b: (a - b).square().sum(1).sqrt().sum() / max(len(a), 1),
        "aligned modalities: the gradient of image is not finite",
    ),
    "precision": (lambda _, a, b: sound(a, b).double(), "is torch.float64, expected torch.float32"),
    "temperature": (lambda batch, a, b: sound(a, b) * (1 + isinstance(batch.temperature, float)), "a number"),
    "derivative": (lambda _, a, b: 2 * sound(a, b).detach() - sound(a, b), "finite differences"),
    "tiles": (lambda _, a, b: sound(a, b) * (1.1 if takes_tiles(len(a) + 7) else 1.0), "in tiles"),
    "processes": (lambda _, a, b: sound(a, b) * (1 + processes().rank), "on each of 3 processes"),
}


def test_a_sound_loss_passes() -> None:
    check_loss(Pulled(lambda _, a, b: sound(a, b)))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_named(name: str) -> None:
    distance, message = FAULTS[name]
    with pytest.raises(AssertionError, match=f"Pulled fails the check '{name}': .*{message}"):
        check_loss(Pulled(distance))


def test_an_anchor_that_depends_on_the_order_is_found_and_may_be_left_out() -> None:
    with pytest.raises(
        AssertionError, match="AlignTruePairs fails the check 'modalities': modalities in another order"
    ):
        check_loss(AlignTruePairs())
    check_loss(AlignTruePairs(), without=["modalities"])


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(UsageError, match="without names speed, which is no check; there are terms, rows, modalities"):
        check_loss(AlignTruePairs(), without=["speed"])
