from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from closegap.kinds import TextKind
from closegap.models import Encoder
from closegap.testing import check_encoder

TEXTS = ["left lung mass", "normal", "no effusion in the chest", "a nodule of the right lung, and a small effusion"]


@dataclass(frozen=True)
class Counts:
    letters: str = "aeiou"

    def __call__(self, items: Sequence[str]) -> Tensor:
        return torch.tensor([[float(item.count(letter)) for letter in self.letters] for item in items])


class Sound(Encoder):
    """Holds to everything; what follows breaks one thing each."""

    takes = TextKind

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.dim, self.scale = 4, scale
        self.map = nn.Linear(5, 4)

    def preparer(self) -> Callable[[Sequence[str]], Any]:
        return Counts()

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.scale * self.map(inputs)
        return features


class Nameless(Sound):
    def preparer(self) -> Callable[[Sequence[str]], Any]:
        return _Nameless()


class _Nameless:
    def __call__(self, items: Sequence[str]) -> Tensor:
        return Counts()(items)


class Homebound(Sound):
    def preparer(self) -> Callable[[Sequence[str]], Any]:
        return lambda items: Counts()(items)


class Shared(Sound):
    """Its preparer keeps a batch while it works, as some tokenisers keep their settings."""

    def __init__(self) -> None:
        super().__init__()
        self._preparer = _Shared()

    def preparer(self) -> Callable[[Sequence[str]], Any]:
        return self._preparer


class _Shared:
    def __init__(self) -> None:
        self.busy = 0

    def __call__(self, items: Sequence[str]) -> Tensor:
        self.busy = len(items)
        rows = []
        for item in items:
            for _ in range(500):  # long enough for Python to turn to another thread
                row = Counts()([item])
                if self.busy != len(items):
                    raise RuntimeError("Already borrowed")
            rows.append(row)
        return torch.cat(rows)

    def __repr__(self) -> str:
        return "Shared"


class Ragged(Sound):
    def preparer(self) -> Callable[[Sequence[str]], Any]:
        return Lengthy()


@dataclass(frozen=True)
class Lengthy:
    def __call__(self, items: Sequence[str]) -> tuple[Tensor, Tensor]:
        return Counts()(items), torch.zeros(1)


class Silent(Sound):
    takes = None  # type: ignore[assignment]


class Wide(Sound):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs).repeat(1, 2)


class Restless(Sound):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) + torch.rand(())


class Sociable(Sound):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) - inputs.mean()


class Forgetful(Sound):
    """What `tune` learns is no argument, parameter or buffer."""

    shift = 0.0

    def tune(self) -> "Forgetful":
        self.shift = 1.0
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) + self.shift


class Blind(Sound):
    def fingerprint(self) -> str:
        return "the same"


class Idle(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Linear(2, 2)


class Exploding(Sound):
    def forward(self, inputs: Tensor) -> Tensor:
        features = super().forward(inputs)
        return features + (0 * features).sqrt() if self.training else features


def test_a_foreign_encoder_holds() -> None:
    check_encoder(Sound(0.5), TEXTS)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (Silent(), "Silent: does not say what it takes; give the class an attribute `takes`, a kind"),
        (Nameless(), "Nameless: the repr of its preparer is an address; let it name what its output depends on"),
        (Homebound(), r"Homebound: its preparer does not travel to worker processes \("),
        (Shared(), r"Shared: its preparer (fails|gives another batch) when threads share it"),
        (Ragged(), r"Ragged: 4 items are prepared to tensors of \[1, 4\] rows; every tensor has a row per item"),
        (Wide(), r"Wide: features of shape \(4, 8\), expected \(4, 4\)"),
        (Restless(), "Restless: evaluated twice, its features differ"),
        (Sociable(), "Sociable: an item's features are .* apart from those that it has in a batch; mask padding"),
        (Forgetful().tune(), "Forgetful: saved and loaded, it has other features; keep what they depend on among"),
        (Blind(), r"Blind: its fingerprint stays when map\.weight changes"),
        (Idle(), r"Idle: idle\.weight is trained but has no gradient; distributed training would wait for it"),
        (Exploding(), r"Exploding: the gradient of map\.weight is not finite"),
    ],
)
def test_what_does_not_hold_is_said(encoder: Encoder, message: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(AssertionError, match=message):
        check_encoder(encoder, TEXTS)


def test_one_item_is_not_enough() -> None:
    with pytest.raises(AssertionError, match="1 items given, expected at least two"):
        check_encoder(Sound(), TEXTS[:1])
