"""What every score stage must hold to."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError, UsageError
from closegap.metrics.positives import rows_of
from closegap.scores import ScoreStage
from closegap.testing.full_set import full_set

_ROUNDING = 1e-9


def check_scores(stage: ScoreStage) -> None:
    """Fit a score stage on a seeded reference, adjust scores with it, save and load it, and compare what must agree.

    - Its settings are JSON values, and rebuild it.
    - Unfitted, or of a modality that was not fitted, it refuses.
    - It keeps shape and dtype, the order of the targets and -inf; it touches neither scores nor estimates.
    - Each query is adjusted by itself.
    - Absent rows are not read, the order of rows does not matter, two fits agree.
    - Once saved and loaded it gives the same scores.

    Args:
        stage: at the settings to check; it stays as it is, a copy is fitted.

    Raises:
        AssertionError: what does not hold, in one line.

    Example:
        >>> from closegap.scores import Standardise
        >>> check_scores(Standardise(strength=0.5))
    """
    name, reference = type(stage).__name__, full_set()
    _check_settings(stage)
    fitted = _fitted(stage, reference)
    names = reference.modalities
    scores = {(query, target): _scores(reference, query, target) for query, target in product(names, repeat=2)}
    for dtype, (pair, given) in product((torch.float32, torch.float64), scores.items()):
        _check_map(fitted, given.to(dtype), *pair)
    expected = {pair: fitted.adjusted(given, *pair) for pair, given in scores.items()}
    for what, other in {
        "two fits on the same rows differ; seed what is random": reference,
        "absent rows touch its estimates; pick present rows before computing with them": _without_absent(reference),
        "the order of rows changes the result": reference.select(torch.arange(len(reference.ids)).flip(0)),
    }.items():
        again = _fitted(stage, other)
        for pair, given in scores.items():
            off = _off(again.adjusted(given, *pair), expected[pair])
            _ensure(off <= _ROUNDING, f"{name}: {what} (off by {off:.2g})")
    loaded = _kept(fitted)
    _ensure(loaded.settings == fitted.settings, f"{name}: loaded with {loaded.settings}, not {fitted.settings}")
    off = max(_off(loaded.adjusted(given, *pair), expected[pair]) for pair, given in scores.items())
    _ensure(
        off <= _ROUNDING, f"{name}: once saved and loaded it gives other scores; keep all it needs in its estimates"
    )


def _ensure(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _check_settings(stage: ScoreStage) -> None:
    name = type(stage).__name__
    _ensure(
        "__dataclass_fields__" in vars(type(stage)),
        f"{name} is no dataclass of its own; decorate it with @dataclass(eq=False), fields are settings",
    )
    try:
        kept = json.loads(json.dumps(stage.settings))
    except TypeError as error:
        raise AssertionError(f"{name}: its settings are not JSON values ({error})") from error
    _ensure(kept == stage.settings, f"{name}: its settings are {kept} once they were JSON, not {stage.settings}")
    unfitted = type(stage)(**stage.settings)
    _ensure(unfitted.settings == stage.settings, f"{name}: rebuilt from its settings it has others")
    _ensure(_refused(unfitted, "image"), f"{name}: adjusts scores before it was fitted; leave `adjusted` as it is")


def _check_map(fitted: ScoreStage, scores: Float[Tensor, "q t"], query: str, target: str) -> None:
    name, of = type(fitted).__name__, f"of {target} for {query} in {scores.dtype}"
    _ensure(_refused(fitted, "sound"), f"{name}: adjusts scores of a modality that was not fitted")
    assert fitted.fitted is not None
    before, state = scores.clone(), {key: value.clone() for key, value in fitted.fitted.state.items()}
    found = fitted.adjusted(scores, query, target)
    _ensure(torch.equal(scores, before), f"{name}: adjust changed the scores {of} that it was given")
    unchanged = all(torch.equal(value, state[key]) for key, value in fitted.fitted.state.items())
    _ensure(unchanged, f"{name}: adjust changed its estimates; it must be pure")
    _ensure(found.shape == scores.shape, f"{name}: scores {of} were {tuple(scores.shape)}, are {tuple(found.shape)}")
    _ensure(found.dtype == scores.dtype, f"{name}: scores {of} became {found.dtype}")
    searched = scores.isfinite()
    _ensure(bool(found[searched].isfinite().all()), f"{name}: scores {of} are not finite")
    _ensure(bool((found[~searched] == -torch.inf).all()), f"{name}: what is not searched, -inf, gets a score {of}")
    order = scores.argsort(dim=1, stable=True)
    steps = found.gather(1, order).diff(dim=1)
    _ensure(not bool((steps < 0).any()), f"{name}: the order of scores {of} is turned round")
    alone = fitted.adjusted(scores[:1], query, target)
    off = _off(alone, found[:1])
    _ensure(off <= 1e-6, f"{name}: other queries change the scores {of} (off by {off:.2g})")


def _off(found: Float[Tensor, "q t"], expected: Float[Tensor, "q t"]) -> float:
    return float((found - expected).nan_to_num().abs().max())  # -inf less -inf is nothing


def _scores(reference: EmbeddingSet, query: str, target: str) -> Float[Tensor, "q t"]:
    """Cosines, what is close to a tie, and for each query a target that it does not search."""
    queries, gallery = rows_of(reference, query), rows_of(reference, target)
    scores = queries.embeddings @ gallery.embeddings.T
    scores[:, 1] = scores[:, 0] + 1e-7
    own = torch.arange(len(scores)) % scores.shape[1]
    return scores.scatter(1, own[:, None], -torch.inf)


def _without_absent(reference: EmbeddingSet) -> EmbeddingSet:
    rows = reference.embeddings.items()
    return replace(
        reference,
        embeddings={name: torch.where(reference.mask(name)[:, None], values, torch.nan) for name, values in rows},
    )


def _fitted(stage: ScoreStage, reference: EmbeddingSet) -> ScoreStage:
    unfitted = type(stage)(**stage.settings)
    found = unfitted.fit(reference)
    _ensure(found is unfitted, f"{type(stage).__name__}: fit returned something else; leave `fit` as it is")
    return found


def _kept(fitted: ScoreStage) -> ScoreStage:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "stage.safetensors"
        fitted.save(path)
        return type(fitted).load(path)


def _refused(stage: ScoreStage, modality: str) -> bool:
    try:
        stage.adjusted(torch.zeros(1, 1), modality, modality)
    except (UsageError, DataError):
        return True
    return False
