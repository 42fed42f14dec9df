"""Each query's best score as the zero and the unit of every pair of modalities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.bounds import Share
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.positives import rows_of
from closegap.scores.base.affine import gain_and_offset, scaled
from closegap.scores.base.best import best_scores, sampled
from closegap.scores.base.chosen import nearest_to_blind
from closegap.scores.base.stage import Fitted, ScoreStage, pair

_QUERIES = 4096  # of each modality; a mean and a standard deviation need no more
_LEAST = 1e-6  # of a standard deviation: where all best scores are alike, none is blown up
_GRID = tuple(step / 10 for step in range(11))


@dataclass(eq=False)
class Standardise(ScoreStage):
    """Standardise scores by what reference queries find best: s' = (s - mu) / sigma for each pair of modalities.

    mu and sigma of an ordered pair (query modality, target modality) are the mean and the standard deviation, over
    reference queries, of each query's best cosine among targets of that modality, its own case left out. Neither labels
    nor pairs are needed. s' is written in the query modality's own units, g s' + m with m the mean of mu over targets
    and g the geometric mean of sigma: the same order, near the scale of cosines.

    At strength a the location is (1 - a) m + a mu and the scale g^(1 - a) sigma^a: at 0 no score changes, at 1 the form
    is the full one, which on weak models and small sets demotes the query's own modality too far.

    The best of n items grows with n. If all modalities grow together their mu do, and a merged list changes little with
    the size of the reference; the proportions of the modalities in it should be those in the index, since twice as many
    items of one modality raise its mu alone.

    Args:
        strength: from 0 to 1; None chooses on the reference: the strength with the matched-size ratio nearest 1 among
            those that lose no graded nDCG, where there are labels or concepts; 1 where the reference has no pairs.

    Reference:
        arXiv:2511.22141, similarity standardisation with pseudo-positives. The strength is ours.
    """

    order: ClassVar[int] = 1

    strength: Share | None = None

    def estimate(self, reference: EmbeddingSet) -> dict[str, Tensor]:
        """The gain and the offset of each ordered pair, and the strength that they are of."""
        location, scale = _statistics(reference)
        if self.strength is not None:
            return _state(reference.modalities, location, scale, self.strength)
        items = {name: len(reference.ids) for name in reference.modalities}

        def of_strength(strength: float) -> ScoreStage:
            stage = Standardise(strength)
            stage.fitted = Fitted(_state(reference.modalities, location, scale, strength), items)
            return stage

        strength = nearest_to_blind(reference, {value: of_strength(value) for value in _GRID})
        return _state(reference.modalities, location, scale, 1.0 if strength is None else strength)

    def adjust(
        self, scores: Float[Tensor, "q t"], query_modality: str, target_modality: str, state: Mapping[str, Tensor]
    ) -> Float[Tensor, "q t"]:
        """Scores with the gain and the offset of their pair of modalities."""
        return scaled(scores, query_modality, target_modality, state)


def _statistics(reference: EmbeddingSet) -> tuple[Float[Tensor, "m m"], Float[Tensor, "m m"]]:
    """Mean and standard deviation of the best scores of each query modality (row) among each target modality."""
    rows = [rows_of(reference, name) for name in reference.modalities]
    location, scale = torch.empty(2, len(rows), len(rows), dtype=torch.float64)
    for i, queries in enumerate(rows):
        for j, gallery in enumerate(rows):
            best = best_scores(sampled(queries, _QUERIES), gallery)[:, 0]
            best = best[best.isfinite()]
            location[i, j], scale[i, j] = best.mean(), best.std(correction=0).clamp(min=_LEAST)
    return location, scale


def _state(
    modalities: tuple[str, ...], location: Float[Tensor, "m m"], scale: Float[Tensor, "m m"], strength: float
) -> dict[str, Tensor]:
    state = {"strength": torch.tensor(strength, dtype=torch.float64)}
    for i, query in enumerate(modalities):
        middle, unit = location[i].mean(), scale[i].log().mean().exp()
        for j, target in enumerate(modalities):
            gain = (unit / scale[i, j]) ** strength
            offset = middle - gain * ((1 - strength) * middle + strength * location[i, j])
            state[pair(query, target)] = gain_and_offset(gain, offset)
    return state
