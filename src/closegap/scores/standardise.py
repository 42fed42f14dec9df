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
from closegap.scores.base.z_scores import unit, z_scores

_QUERIES = 4096  # of each modality; a mean and a standard deviation need no more
_LEAST = 1e-6  # of a standard deviation: where all best scores are alike, none is blown up
_STRENGTHS = tuple(step / 5 for step in range(6))


@dataclass(eq=False)
class Standardise(ScoreStage):
    """Standardise scores by what reference queries find best: s' = (s - mu) / sigma for each pair of modalities.

    mu and sigma of an ordered pair (query modality, target modality) are the mean and the standard deviation, over
    reference queries, of each query's best score among targets of that modality, its own case left out. Neither labels
    nor pairs are needed. s' is written in the query modality's own units, g s' + m with m the mean of mu over targets
    and g the geometric mean of sigma: the same order, near the scale of cosines.

    s is the cosine, or, `per_query`, the cosine less the mean of the query's cosines with all targets of the modality,
    over their standard deviation: what is good for one query is not what is good for another, as far as a model's
    texts and images are of unlike density. Where modalities lie far apart it is worth much (`ZScore` is it alone).

    At strength a the location is (1 - a) m + a mu and the scale g^(1 - a) sigma^a: at 0 no score of any pair is moved
    against those of another, at 1 the form is the full one, which on weak models and small sets demotes the query's
    own modality too far.

    The best of n items grows with n. If all modalities grow together their mu do, and a merged list changes little with
    the size of the reference; the proportions of the modalities in it should be those in the index, since twice as many
    items of one modality raise its mu alone.

    Args:
        strength: from 0 to 1; None chooses on the reference: of six strengths the one whose merge is most blind to
            modality among those that lose no graded nDCG (`nearest_to_blind`), where there are labels or concepts; 1
            where the reference has no pairs.
        per_query: whether each query's scores are standardised first; None chooses likewise, False without pairs.

    Reference:
        arXiv:2511.22141, similarity standardisation with pseudo-positives. Strength and `per_query` are ours.
    """

    order: ClassVar[int] = 1

    strength: Share | None = None
    per_query: bool | None = None

    def estimate(self, reference: EmbeddingSet) -> dict[str, Tensor]:
        """The gain and the offset of each ordered pair, the strength that they are of, and whether of z-scores."""
        forms = (False, True) if self.per_query is None else (self.per_query,)
        strengths = _STRENGTHS if self.strength is None else (self.strength,)
        found = {form: _statistics(reference, form) for form in forms}
        states = {(form, a): _state(reference.modalities, found[form], form, a) for form in forms for a in strengths}
        if len(states) == 1:
            return next(iter(states.values()))
        items = {name: len(reference.ids) for name in reference.modalities}
        tried = {}
        for (form, a), state in states.items():
            tried[form, a] = Standardise(a, form)
            tried[form, a].fitted = Fitted(state, items)
        return states[nearest_to_blind(reference, tried) or (forms[0], strengths[-1])]

    def adjust(
        self, scores: Float[Tensor, "q t"], query_modality: str, target_modality: str, state: Mapping[str, Tensor]
    ) -> Float[Tensor, "q t"]:
        """Scores, or those of each query standardised, with the gain and the offset of their pair of modalities."""
        given = z_scores(scores) if bool(state["per_query"]) else scores
        return scaled(given, query_modality, target_modality, state)


@dataclass(frozen=True)
class _Statistics:
    """Location and scale of each query modality's (row) best scores among each target modality; the unit of a row."""

    location: Float[Tensor, "m m"]
    scale: Float[Tensor, "m m"]
    units: Float[Tensor, "m"]


def _statistics(reference: EmbeddingSet, by_query: bool) -> _Statistics:
    rows = [rows_of(reference, name) for name in reference.modalities]
    location, scale = torch.empty(2, len(rows), len(rows), dtype=torch.float64)
    units = torch.ones(len(rows), dtype=torch.float64)
    for i, all_queries in enumerate(rows):
        queries = sampled(all_queries, _QUERIES)
        if by_query:
            units[i] = unit(queries, rows)
        for j, gallery in enumerate(rows):
            best = best_scores(queries, gallery, seen_as=z_scores if by_query else None)[:, 0]
            best = best[best.isfinite()]
            location[i, j], scale[i, j] = best.mean(), best.std(correction=0).clamp(min=_LEAST)
    return _Statistics(location, scale, units)


def _state(modalities: tuple[str, ...], found: _Statistics, by_query: bool, strength: float) -> dict[str, Tensor]:
    state = {
        "strength": torch.tensor(strength, dtype=torch.float64),
        "per_query": torch.tensor(float(by_query), dtype=torch.float64),
    }
    for i, query in enumerate(modalities):
        location, scale = found.location[i], found.scale[i]
        middle, shared = location.mean(), scale.log().mean().exp()
        for j, target in enumerate(modalities):
            gain = (shared / scale[j]) ** strength
            offset = middle - gain * ((1 - strength) * middle + strength * location[j])
            state[pair(query, target)] = gain_and_offset(gain * found.units[i], offset * found.units[i])
    return state
