"""Carrying every modality to the directions in which they agree, whatever its width."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from closegap.bounds import NonNegativeFloat, Power, Share, Width
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError
from closegap.posthoc.base.anchor import anchor_of
from closegap.posthoc.base.correlations import Correlations, Directions
from closegap.posthoc.base.held_out import Trial, coins_of, folds_of, held_out_cases, mean_reciprocal_rank
from closegap.posthoc.base.method import PostHoc
from closegap.posthoc.base.products import Products, products_by_fold, summed
from closegap.side_by_side import side_by_side

_FOLDS = 5
_HELD_OUT = 500
"""Cases of a fold that are searched at most."""
_RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_POWERS = (0.5, 1.0)
_KEEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
_SMALLEST = 16


@dataclass(frozen=True)
class Settings:
    """One choice of all settings; see `Canonical`."""

    ridge: float
    dim: int
    power: float
    keep: float


@dataclass(eq=False)
class Canonical(PostHoc):
    """Map each modality to its canonical variates, weighted by how well they agree (regularised CCA).

    x' = (x - mean_m) C_m^-1/2 U_k diag(rho)^power of unit norm, with the directions and correlations of `Correlations`,
    from covariances of the train rows alone: one pass, O(M^2 d^2) memory. Modalities may differ in width: two encoders
    that never met become one space. With `keep`, cosines are (1 - keep) cos' + keep cos of the centred rows, by laying
    both side by side; at 1 rows stay as they are.

    A setting that is not given is chosen inside the train split, by five folds of whole groups: the mean reciprocal
    rank of held-out true pairs, over searches across modalities and matched-size mixed ones alike. To leave the rows
    as they are is among the candidates, if they are in one space.

    With an anchor, of two modalities, the other one is carried into the anchor's space, which stays as it is:
    x' = mean_a + s (x - mean_m) C_m^-1/2 U_k diag(rho)^power V_k^T C_a^1/2, with s that makes the total variance the
    anchor's. At power 1 and all variates this is the ridge regression of the anchor's rows on their partners, but for
    s, which takes back that a regression draws everything to the mean.

    Fit it on rows that the towers were not trained on: their training pairs agree better than new ones will, which
    inflates the correlations.

    Args:
        dim: how many variates, at most the smallest width.
        ridge: what is added to each covariance's diagonal, in units of its mean.
        power: of the correlations that weight the variates; 0 weights all alike.
        keep: share of the rows as they are in every cosine; above 0 of modalities in one space alone; with an anchor 0
            or 1.
        anchor: the modality that stays, to whose space the other is carried; None maps both to a space of their own.

    Raises:
        DataError: on fitting, no row that has two modalities, a covariance that cannot be inverted, more variates than
            dimensions, `keep` across widths, an anchor among more than two, or too few groups to choose by.
        UsageError: on fitting, an anchor that the set lacks.

    Reference:
        Two unimodal encoders: CSA, Li et al. 2024, arXiv:2410.07610, which weights similarities by correlations; we
        weight both sides' variates, and choose the settings.
    """

    order: ClassVar[int] = 7
    one_space: ClassVar[bool] = False

    dim: Width | None = None
    ridge: NonNegativeFloat | None = None
    power: Power | None = None
    keep: Share | None = None
    anchor: str | None = None

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        """Each modality's mean and map, the correlations, and the settings that were given or chosen."""
        grid = _Grid.of(self, train)
        folds = folds_of(train.ids if train.groups is None else train.groups, _FOLDS)
        parts = products_by_fold(train, folds, _FOLDS)
        everything = summed(parts)
        if not any(everything.counts[a, b] > 1 for a, b in everything.counts if a != b):
            raise DataError("no two rows have two modalities; canonical alignment needs true pairs")
        settings, scores = grid.only, dict[str, float]()
        if settings is None:
            settings, scores = self._chosen(train, grid, folds, parts, everything)
        found = Correlations(everything)
        directions = found.at(settings.ridge)
        state = _state(found, directions, settings, grid.anchor)
        return state | {f"mrr/{name}": torch.tensor(value, dtype=torch.float64) for name, value in scores.items()}

    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n k"]:
        """Canonical variates, beside them what is kept of the rows."""
        keep = float(state["keep"])
        if keep == 1 or f"map/{modality}" not in state:
            return rows
        centred = rows - state[f"mean/{modality}"]
        variates = centred @ state[f"map/{modality}"]
        if "anchor" in state:
            return state["anchor"] + variates
        if not keep:
            return variates
        return torch.cat([(1 - keep) ** 0.5 * normalize(variates), keep**0.5 * normalize(centred)], dim=1)

    @property
    def notes(self) -> Sequence[str]:
        """The settings in words, and what they were chosen by."""
        state = self._fitted().state
        keep = float(state["keep"])
        if keep == 1:
            what = "leaves the rows as they are"
        else:
            kept = f", {keep:g} of the rows kept" if keep else ""
            ridge, power = float(state["ridge"]), float(state["power"])
            what = f"{len(state['correlations'])} variates, ridge {ridge:g}, power {power:g}{kept}"
        if "mrr/chosen" not in state:
            return (f"canonical: {what}",)
        before = f", {float(state['mrr/original']):.3f} as they are" if "mrr/original" in state else ""
        by = f"mean reciprocal rank of held-out train pairs {float(state['mrr/chosen']):.3f}{before}"
        return (f"canonical: {what}, chosen inside train ({by})",)

    def _chosen(
        self, train: EmbeddingSet, grid: "_Grid", folds: Tensor, parts: Sequence[Products], everything: Products
    ) -> tuple[Settings, dict[str, float]]:
        coins = coins_of(train.ids)

        def tried(number: int) -> list[tuple[Settings, float]]:
            rows = held_out_cases(train, folds, number, _HELD_OUT)
            trial = Trial({name: train.mask(name)[rows] for name in train.modalities}, coins[rows])
            rest = everything.minus(parts[number])
            if not trial.possible or any(rest.counts[name, name] < 2 for name in train.modalities):
                return []
            held_out = {name: train.embeddings[name][rows].float() for name in train.modalities}
            return list(_trials(Correlations(rest), held_out, trial, grid))

        totals: dict[Settings, list[float]] = {}
        for done, of_fold in enumerate(side_by_side(tried, range(len(parts))), start=1):
            for settings, score in of_fold:
                totals.setdefault(settings, []).append(score)
            self.advance(done, len(parts))
        if not totals:
            raise DataError(
                "too few groups of rows that have two modalities to choose settings by; give dim, ridge, power and keep"
            )
        means = {settings: sum(scores) / len(scores) for settings, scores in totals.items()}
        best = max(means, key=lambda settings: means[settings])  # of equals the first, which moves rows least
        scores = {"chosen": means[best]}
        if grid.keeps[0] == 1:
            scores["original"] = next(score for settings, score in means.items() if settings.keep == 1)
        return best, scores


@dataclass(frozen=True)
class _Grid:
    """The candidates for each setting, those that move rows least first."""

    ridges: Sequence[float]
    dims: Sequence[int]
    powers: Sequence[float]
    keeps: Sequence[float]
    anchor: str | None

    @classmethod
    def of(cls, given: Canonical, train: EmbeddingSet) -> "_Grid":
        widths = {name: rows.shape[1] for name, rows in train.embeddings.items()}
        narrow = min(widths.values())
        if given.dim is not None and given.dim > narrow:
            raise DataError(f"dim {given.dim}: expected at most {narrow}, the smallest width")
        if given.keep and len(set(widths.values())) > 1:
            listed = ", ".join(f"{name} {width}" for name, width in widths.items())
            raise DataError(f"keep {given.keep}: expected 0, since the modalities differ in width ({listed})")
        anchor = None if given.anchor is None else anchor_of(train, given.anchor)
        if anchor is not None and len(widths) > 2:
            raise DataError(f"anchor '{anchor}': {len(widths)} modalities; with an anchor, canonical takes two")
        if anchor is not None and given.keep not in (None, 0, 1):
            raise DataError(f"keep {given.keep}: expected 0 or 1 with an anchor, whose rows stay as they are")
        dims = sorted({narrow, *(2**power for power in range(4, narrow.bit_length()) if 2**power <= narrow)})
        mixed = sorted(_KEEPS, reverse=True) if anchor is None else (1.0, 0.0)
        keeps = mixed if len(set(widths.values())) == 1 else (0.0,)
        return cls(
            sorted(_RIDGES, reverse=True) if given.ridge is None else [given.ridge],
            dims if given.dim is None else [given.dim],
            _POWERS if given.power is None else [given.power],
            keeps if given.keep is None else [given.keep],
            anchor,
        )

    @property
    def size(self) -> int:
        """How many candidates there are; rows as they are count once."""
        moved = sum(keep < 1 for keep in self.keeps)
        return moved * len(self.ridges) * len(self.dims) * len(self.powers) + (len(self.keeps) - moved)

    @property
    def only(self) -> Settings | None:
        """The one candidate where there is nothing to choose."""
        one = Settings(self.ridges[0], self.dims[0], self.powers[0], self.keeps[0])
        return one if self.size == 1 else None

    @property
    def as_they_are(self) -> Settings:
        """The candidate that moves nothing."""
        return Settings(self.ridges[0], self.dims[0], self.powers[0], 1.0)


def _trials(
    correlations: Correlations, held_out: Mapping[str, Float[Tensor, "n _"]], trial: Trial, grid: _Grid
) -> Iterator[tuple[Settings, float]]:
    """Each candidate and the mean reciprocal rank of held-out pairs under it."""
    centred = {name: normalize(rows - correlations.means[name].float()) for name, rows in held_out.items()}
    kept = trial.scores(centred) if len(grid.keeps) > 1 or grid.keeps[0] else []
    if grid.keeps[0] == 1:
        yield grid.as_they_are, mean_reciprocal_rank(trial.scores(held_out))
    for ridge in grid.ridges:
        directions = correlations.at(ridge)
        maps = {name: value.float() for name, value in directions.maps.items()}
        variates = {name: (rows - correlations.means[name].float()) @ maps[name] for name, rows in held_out.items()}
        for dim, power in product(grid.dims, grid.powers):
            if grid.anchor is None:
                weights = directions.correlations[:dim].float() ** power
                scores = trial.scores({name: normalize(value[:, :dim] * weights) for name, value in variates.items()})
            else:
                scores = trial.scores(_carried(correlations, directions, held_out, grid.anchor, dim, power))
            for keep in grid.keeps:
                if keep < 1:
                    mixed = [s.lerp(k, keep) for s, k in zip(scores, kept, strict=True)] if keep else scores
                    yield Settings(ridge, dim, power, keep), mean_reciprocal_rank(mixed)


def _carried(
    found: Correlations,
    directions: Directions,
    rows: Mapping[str, Float[Tensor, "n _"]],
    anchor: str,
    dim: int,
    power: float,
) -> dict[str, Float[Tensor, "n d"]]:
    """The rows with the other modality in the anchor's space."""
    (other,) = set(rows) - {anchor}
    towards = _towards(found, directions, other, anchor, dim, power)
    moved = found.means[anchor] + (rows[other] - found.means[other]) @ towards
    return {name: value if name == anchor else normalize(moved).float() for name, value in rows.items()}


def _towards(
    found: Correlations, directions: Directions, other: str, anchor: str, dim: int, power: float
) -> Float[Tensor, "d e"]:
    """The map of centred rows of one modality to centred rows of the anchor, of the anchor's total variance."""
    weighted = directions.maps[other][:, :dim] * directions.correlations[:dim] ** power
    towards = weighted @ found.loadings(anchor, directions, dim)
    variance = ((found.covariance(other) @ towards) * towards).sum()
    return towards * (found.covariance(anchor).trace() / variance.clamp(min=1e-12)).sqrt()


def _state(found: Correlations, directions: Directions, settings: Settings, anchor: str | None) -> dict[str, Tensor]:
    kept = directions.correlations[: settings.dim]
    if anchor is None:
        state = {f"mean/{name}": value for name, value in found.means.items()}
        weighted = {name: value[:, : settings.dim] * kept**settings.power for name, value in directions.maps.items()}
        state |= {f"map/{name}": value for name, value in weighted.items()}
    else:
        (other,) = set(found.means) - {anchor}
        towards = _towards(found, directions, other, anchor, settings.dim, settings.power)
        state = {"anchor": found.means[anchor], f"mean/{other}": found.means[other], f"map/{other}": towards}
    numbers = {"ridge": settings.ridge, "power": settings.power, "keep": settings.keep}
    state |= {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}
    return state | {"correlations": kept}
