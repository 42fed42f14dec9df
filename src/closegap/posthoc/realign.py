"""ReAlign: anchor, trace and centroid alignment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError
from closegap.posthoc.base.anchor import anchor_of
from closegap.posthoc.base.method import PostHoc
from closegap.posthoc.base.moments import blocks, count, mean, variance


@dataclass(eq=False)
class ReAlign(PostHoc):
    """Carry every modality into the anchor's distribution by mean and total variance.

    With mu and T = mean ||x - mu||^2 on the train split, a the anchor, s = sqrt(T_a / T_m):
    y = normalise(mu_a + s (x - mu_m)), then x' = normalise(y - nu_m + mu_a), nu_m the train mean of y. The second step
    takes back the drift that normalising puts on the mean. The anchor does not move.

    Args:
        anchor: the modality that stays; the first one if None.

    Raises:
        DataError: on fitting, a modality whose rows are all equal, so that no scale matches its variance.

    Reference:
        arXiv:2602.07026 (ReAlign), there from texts (m) to images (a). The last normalisation is ours: our rows are
        unit-norm, theirs feed a network.
    """

    order: ClassVar[int] = 3

    anchor: str | None = None

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        """The anchor's mean; each other modality's mean, scale and mean after the first step."""
        anchor = anchor_of(train, self.anchor)
        means = {modality: mean(train, modality) for modality in train.modalities}
        traces = {modality: float(variance(train, modality, means[modality]).sum()) for modality in train.modalities}
        state = {"anchor": means[anchor]}
        for modality in train.modalities:
            if traces[modality] < 1e-12:
                raise DataError(f"all rows of {modality} are equal; ReAlign needs rows that vary")
            if modality == anchor:
                continue
            state |= {f"mean/{modality}": means[modality], f"scale/{modality}": _scale(traces, anchor, modality)}
            total = torch.zeros_like(means[anchor])
            for block in blocks(train, modality):
                total += _first_step(block, modality, state).sum(0)
            state[f"drifted/{modality}"] = total / count(train, modality)
        return state

    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        """Rows scaled around the anchor's mean, then shifted back onto it."""
        if f"mean/{modality}" not in state:
            return rows
        return _first_step(rows, modality, state) - state[f"drifted/{modality}"] + state["anchor"]


def _scale(traces: Mapping[str, float], anchor: str, modality: str) -> Float[Tensor, ""]:
    return torch.tensor(traces[anchor] / traces[modality], dtype=torch.float64).sqrt()


def _first_step(rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
    return normalize(state["anchor"] + state[f"scale/{modality}"] * (rows - state[f"mean/{modality}"]), dim=1)
