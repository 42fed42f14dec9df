"""How probable it is that a target is relevant, given its score, the query's modality and its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from math import inf
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.bounds import ShareAboveZero
from closegap.calibration.abstention import Abstention, best_of_groups
from closegap.calibration.curves import FITS, CurveName, at_prior, stated
from closegap.calibration.file import FILE, read, write
from closegap.checked import Checked
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.embeddings.row_norms import row_norms, unusable_row
from closegap.errors import DataError, UsageError
from closegap.metrics.cells import Counted
from closegap.metrics.population import Judged, Population, RelevanceKind, judged_by
from closegap.metrics.positives import rows_of
from closegap.scores.base.stage import ScoreStage, pair

_LEAST = 20  # groups; from fewer there is no curve to speak of


@dataclass(frozen=True)
class OfPair:
    """What was fitted for an ordered pair of modalities.

    Args:
        curve: the probability at each score (`curves`).
        queries: how many asked.
        couples: how many couples of a query and a target counted.
        relevant: how many of these are relevant.
        best: the score of the best relevant target of one query of each group, lowest first.
    """

    curve: Float[Tensor, "..."]
    queries: int
    couples: int
    relevant: int
    best: Float[Tensor, "g"]

    @property
    def prior(self) -> float:
        """The share of couples that are relevant: among n candidates of which one is, 1 / n."""
        return self.relevant / self.couples

    @property
    def candidates(self) -> float:
        """How many targets a query has, on average."""
        return self.couples / self.queries


@dataclass(eq=False)
class Calibration(Checked):
    """P(relevant | score, query modality, target modality), and with it the sets of answers that keep a promise.

    The population is every query of one modality against every target of another in the reference; one of the query's
    group but not of its case does not count. With relevance by pairs one target in n is relevant, so the same score
    means less in a larger gallery. `probability` states it for the reference's n, or for as many `candidates` or the
    `prior` that it is told, by multiplying the odds: that holds where scores of relevant and of other targets lie as in
    the reference, whatever their number. With labels or concepts the share of relevant targets does not fall with n.

    Fit on a validation split: training pairs score higher than new ones.

    Args:
        method: "isotonic", any curve that never falls, or "logistic", log odds straight in the score.
        relevance: "pairs", rows of one case; "labels", rows of one label; "concepts", rows whose concepts overlap.
        at_least: the Jaccard overlap from which concepts are relevant.
        label: which of the set's labels; "" for the first.

    Example:
        >>> rows = torch.nn.functional.normalize(torch.randn(40, 8, generator=torch.manual_seed(0)), dim=1)
        >>> reference = EmbeddingSet({"image": rows, "text": rows}, [f"case {i}" for i in range(40)])
        >>> calibration = Calibration("logistic").fit(reference)
        >>> bool(calibration.probability(torch.tensor(1.0), "text", "image") > 0.9)
        True
        >>> 0.9 < calibration.abstention.threshold("text", "image", 0.1) <= 1.1
        True
    """

    method: CurveName = "isotonic"
    relevance: RelevanceKind = "pairs"
    at_least: ShareAboveZero = 0.5
    label: str = ""

    stage: ScoreStage | None = field(init=False, default=None, repr=False)
    fitted: Mapping[str, OfPair] | None = field(init=False, default=None, repr=False)

    @property
    def settings(self) -> dict[str, Any]:
        """What the constructor was given."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.init}

    def judged(self, embeddings: EmbeddingSet) -> Judged:
        """What counts as relevant in a set."""
        return judged_by(embeddings, self.relevance, self.at_least, self.label)

    def fit(self, reference: EmbeddingSet, stage: ScoreStage | None = None) -> Self:
        """This calibration, of cosines or of what a fitted stage makes of them.

        Raises:
            UsageError: the relevance asked for is not in the set.
            DataError: modalities of different widths, rows that are not finite, or relevant targets for the queries of
                fewer than 20 groups in every pair of modalities.
        """
        _ = reference.width
        for name in reference.modalities:
            if bad := unusable_row(row_norms(reference.embeddings[name]), reference.mask(name)):
                raise DataError(f"{name} of row {bad[0]} (id '{reference.ids[bad[0]]}') {bad[1]}; leave the row out")
        judged, rows = self.judged(reference), {name: rows_of(reference, name) for name in reference.modalities}
        fitted, most = {}, 0
        for query, target in product(rows, repeat=2):
            population = Population(rows[query], rows[target], judged, stage)
            best, counted = best_of_groups(population), Counted.of(population)
            relevant = int(counted.relevant.sum())
            most = max(most, len(best))
            if len(best) >= _LEAST and relevant < counted.couples:
                curve = FITS[self.method](counted)
                fitted[pair(query, target)] = OfPair(curve, len(rows[query].cases), counted.couples, relevant, best)
        if not fitted:
            raise DataError(_too_little(reference, self.relevance, most))
        self.fitted, self.stage = fitted, stage
        return self

    def probability(
        self,
        scores: Float[Tensor, "*s"],
        query_modality: str,
        target_modality: str,
        *,
        candidates: float | None = None,
        prior: float | None = None,
    ) -> Float[Tensor, "*s"]:
        """The probability that a target is relevant, in float64.

        Args:
            scores: after the stage, where one was fitted.
            query_modality: that of the query.
            target_modality: that of the target.
            candidates: how many targets are searched, where relevance is by pairs; the reference's number by default.
            prior: the share of relevant couples, instead.

        Raises:
            UsageError: not fitted, both of `candidates` and `prior`, or either out of bounds.
            DataError: a pair of modalities that was not calibrated.
        """
        found = self.of_pair(query_modality, target_modality)
        return at_prior(stated(found.curve, scores), found.prior, self.prior_among(found, candidates, prior))

    def prior_among(self, found: OfPair, candidates: float | None = None, prior: float | None = None) -> float:
        """The share of relevant couples in another gallery; that of the reference where nothing is said of it.

        Raises:
            UsageError: both given, or either out of bounds.
        """
        if candidates is not None and prior is not None:
            raise UsageError("candidates and prior given; each says how many targets are relevant, so give one")
        if candidates is not None and self.relevance == "pairs":
            if not found.relevant / found.queries < candidates < inf:
                raise UsageError(f"candidates {candidates:g} given, expected a number of targets, 2 or more")
            return found.prior * found.candidates / candidates
        if prior is None:
            return found.prior
        if not 0 < prior < 1:
            raise UsageError(f"prior {prior:g} given, expected a number above 0, below 1")
        return prior

    @property
    def abstention(self) -> Abstention:
        """What decides which targets are answers.

        Raises:
            UsageError: not fitted.
        """
        return Abstention({key: found.best for key, found in self._fitted().items()})

    def threshold(self, query_modality: str, target_modality: str, alpha: float) -> float:
        """The lowest score inside an answer set that holds a relevant item with probability 1 - alpha."""
        return self.abstention.threshold(query_modality, target_modality, alpha)

    def of_pair(self, query_modality: str, target_modality: str) -> OfPair:
        """What was fitted for an ordered pair of modalities.

        Raises:
            UsageError: not fitted.
            DataError: a pair that was not calibrated.
        """
        fitted = self._fitted()
        if pair(query_modality, target_modality) not in fitted:
            known = "; ".join(key.replace("|", " to ") for key in fitted)
            raise DataError(f"{query_modality} to {target_modality} was not calibrated, but {known}")
        return fitted[pair(query_modality, target_modality)]

    def save(self, path: str | Path) -> None:
        """Write `path` (.safetensors), the stage within it, whole or not at all."""
        tensors: dict[str, Tensor] = {}
        says: dict[str, dict[str, int]] = {}
        for key, found in self._fitted().items():
            tensors |= {f"{key}/curve": found.curve, f"{key}/best": found.best}
            says[key] = {"queries": found.queries, "couples": found.couples, "relevant": found.relevant}
        write(Path(path), self.settings, says, tensors, self.stage)

    @classmethod
    def load(cls, path: str | Path, trusted: Sequence[str] = ()) -> Self:
        """The calibration that `save` wrote.

        Args:
            path: the file.
            trusted: import paths of further stages that may be loaded with it.

        Raises:
            DataError: a missing or damaged file, or one that is not a calibration of this version.
            UsageError: a stage that is not trusted.
        """
        kept, stage = read(Path(path), trusted)
        try:
            made = cls(**kept.settings)
            made.fitted = {
                key: OfPair(
                    kept.tensors[f"{key}/curve"],
                    int(numbers["queries"]),
                    int(numbers["couples"]),
                    int(numbers["relevant"]),
                    kept.tensors[f"{key}/best"],
                )
                for key, numbers in kept.says["pairs"].items()
            }
            made.stage = stage
            made._expect_sound()
        except Exception as error:  # whatever a constructor makes of another's settings or numbers
            raise FILE.unusable(Path(path), error) from error
        return made

    def _expect_sound(self) -> None:
        """Try every pair on a few scores, so that numbers that do not fit are found early.

        Raises:
            ValueError: no probabilities come out, or such that fall as scores rise.
        """
        scores = torch.linspace(-1, 1, 9)
        for key, found in self._fitted().items():
            values = self.probability(scores, *key.split("|"))
            sound = values.isfinite().all() and (values.diff() >= 0).all() and values[0] >= 0 and values[-1] <= 1
            if not sound or not 0 < found.relevant < found.couples or found.queries < 1 or len(found.best) < _LEAST:
                raise ValueError(f"no calibration of {key.replace('|', ' to ')}")
            if found.best.ndim != 1 or not found.best.isfinite().all() or (found.best.diff() < 0).any():
                raise ValueError(f"no scores of relevant targets of {key.replace('|', ' to ')}")

    def _fitted(self) -> Mapping[str, OfPair]:
        if not self.fitted:
            raise UsageError(f"{type(self).__name__} is not fitted; call fit(reference) first")
        return self.fitted


def _too_little(reference: EmbeddingSet, relevance: RelevanceKind, groups: int) -> str:
    """Why nothing could be fitted."""
    names = ", ".join(reference.modalities)
    if relevance == "pairs" and len(reference.modalities) < 2:
        return f"the set has {names} alone, expected two modalities; embed both, or calibrate by labels or concepts"
    if not groups and relevance == "pairs":
        return f"no case has two of {names}, so there is no pair to calibrate on; give a split whose cases have both"
    return (
        f"relevant targets by {relevance} for the queries of {groups} group{'s' * (groups != 1)}, expected {_LEAST} or "
        "more, and targets that are not relevant; give a larger split"
    )
