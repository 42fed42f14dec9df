"""The check passes for every method of ours, and says what is wrong with one that breaks a rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from closegap.embeddings import EmbeddingSet
from closegap.posthoc import PostHoc, Procrustes, ReAlign, Shift, Sweep, Whiten, standard_arms
from closegap.testing import check_posthoc

SET_OTHERWISE = [Shift(0.3, anchor="text"), ReAlign("text"), Procrustes("record"), Whiten(1.0)]


@pytest.mark.parametrize("method", [*standard_arms().values(), *SET_OTHERWISE], ids=repr)
def test_every_method_passes(method: PostHoc) -> None:
    check_posthoc(method)
    assert method.fitted is None


class Still(PostHoc):
    """Moves nothing; what the broken ones below begin with."""

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        return {}

    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        return rows


@dataclass(eq=False)
class Passes(Still):
    scale: float = 2.0


@dataclass(eq=False)
class NoSettings(Still):
    scale: Any = frozenset({1})


@dataclass(eq=False)
class Tuples(Still):
    scale: tuple[int, ...] = (1, 2)


@dataclass(eq=False)
class Random(Still):
    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        return {"direction": torch.randn(8, dtype=torch.float64)}

    def move(self, rows: Tensor, modality: str, state: Mapping[str, Tensor]) -> Tensor:
        return rows + state["direction"]


@dataclass(eq=False)
class Absent(Still):
    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        return {name: rows.double().mean(0) for name, rows in train.embeddings.items()}

    def move(self, rows: Tensor, modality: str, state: Mapping[str, Tensor]) -> Tensor:
        return rows - state[modality]


@dataclass(eq=False)
class FirstRow(Still):
    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        return {"row": train.embeddings["image"][0].double()}

    def move(self, rows: Tensor, modality: str, state: Mapping[str, Tensor]) -> Tensor:
        return rows - state["row"] / 2


@dataclass(eq=False)
class OfTheBatch(Still):
    def move(self, rows: Tensor, modality: str, state: Mapping[str, Tensor]) -> Tensor:
        return rows - rows.mean(0)


@dataclass(eq=False)
class InPlace(Still):
    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        return {"steps": torch.zeros((), dtype=torch.float64)}

    def move(self, rows: Tensor, modality: str, state: Mapping[str, Tensor]) -> Tensor:
        state["steps"].add_(1)
        return rows


@dataclass(eq=False)
class Forgets(Still):
    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        self._offset = 0.5
        return {}

    def move(self, rows: Tensor, modality: str, state: Mapping[str, Tensor]) -> Tensor:
        return rows + getattr(self, "_offset", 0.0)


@dataclass(eq=False)
class Unbounded(Still):
    def apply(self, embeddings: EmbeddingSet, *, in_sample: bool = False) -> EmbeddingSet:
        return super().apply(embeddings, in_sample=True)


@dataclass(eq=False)
class BadSweep(Still):
    sweep: ClassVar[Sweep | None] = Sweep("strength", (0.0, 0.5, 1.0))


@dataclass(eq=False)
class LateSweep(Still):
    amount: float = 1.0
    sweep: ClassVar[Sweep | None] = Sweep("amount", (0.5, 0.75, 1.0))

    def move(self, rows: Tensor, modality: str, state: Mapping[str, Tensor]) -> Tensor:
        return rows + self.amount


def test_a_method_that_breaks_no_rule_passes() -> None:
    check_posthoc(Passes())


@pytest.mark.parametrize(
    ("method", "complaint"),
    [
        (Still(), "Still is no dataclass of its own"),
        (NoSettings(), "its settings are not JSON values"),
        (Tuples(), r"its settings are \{'scale': \[1, 2\]\} once they were JSON"),
        (Random(), "two fits on the same rows differ"),
        (Absent(), "absent rows touch its estimates"),
        (FirstRow(), "the order of rows changes the result"),
        (OfTheBatch(), "transform is not apply"),
        (InPlace(), "move changed the estimate 'steps'"),
        (Forgets(), "once saved and loaded it gives other rows"),
        (Unbounded(), "applied to rows that it was fitted on"),
        (BadSweep(), "its sweep is over 'strength', which is none of its settings"),
        (LateSweep(), "at amount 0.5, where its sweep begins, it moves rows"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, PostHoc) else "",
)
def test_what_a_method_does_wrong_is_said(method: PostHoc, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_posthoc(method)
