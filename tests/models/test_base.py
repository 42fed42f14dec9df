from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from closegap.kinds import TextKind
from closegap.models import Encoder


@dataclass(frozen=True)
class Lengths:
    scale: float

    def __call__(self, items: Sequence[str]) -> Tensor:
        return torch.tensor([[len(item) * self.scale] for item in items])


class Lengthy(Encoder):
    """A frozen normed block, then a trained one, each with dropout."""

    takes = TextKind

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.dim = 4
        self.scale = scale
        self.first = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).requires_grad_(False)
        self.second = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))

    def preparer(self) -> Callable[[Sequence[str]], Tensor]:
        return Lengths(self.scale)

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.second(self.first(inputs))
        return features


def test_training_mode_reaches_what_is_trained_alone() -> None:
    encoder = Lengthy().eval().train()
    assert [part.training for part in encoder.first.modules()] == [False] * 4
    assert [part.training for part in encoder.second.modules()] == [True] * 4
    assert encoder.training
    assert not encoder.eval().second.training


def test_statistics_of_a_frozen_block_do_not_move() -> None:
    encoder = Lengthy()
    nn.Sequential(encoder).train()  # as part of a model
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder(torch.randn(8, 1) + 5)
    moved = {name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"second.1.running_mean", "second.1.running_var", "second.1.num_batches_tracked"}


def test_frozen_is_when_nothing_is_trained() -> None:
    encoder = Lengthy()
    assert not encoder.frozen
    assert encoder.requires_grad_(False).frozen
    assert not encoder.train().second.training
    encoder.first = encoder.second = nn.Sequential()
    assert not encoder.frozen  # nothing to train is nothing to cache


def test_fingerprints_tell_weights_statistics_and_preparation_apart() -> None:
    torch.manual_seed(0)
    encoder = Lengthy()
    copy = Lengthy()
    assert copy.fingerprint() != encoder.fingerprint()
    copy.load_state_dict(encoder.state_dict())
    assert copy.fingerprint() == encoder.fingerprint() == encoder.train().fingerprint()
    assert copy.requires_grad_(False).fingerprint() == encoder.fingerprint()

    copy.scale = 2.0
    assert copy.fingerprint() != encoder.fingerprint()
    copy.scale = 1.0
    weight = copy.get_parameter("second.0.weight").data
    weight[3, 3] = torch.nextafter(weight[3, 3], torch.tensor(9.0))
    assert copy.fingerprint() != encoder.fingerprint()
    copy.load_state_dict(encoder.state_dict())
    copy.get_buffer("first.1.running_mean")[0] += 1
    assert copy.fingerprint() != encoder.fingerprint()
    assert Lengthy.fingerprint(encoder.bfloat16()) != copy.fingerprint()
