"""What every post-hoc method must hold to."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import ClosegapWarning, UsageError
from closegap.posthoc import PostHoc

_ROUNDING = {torch.float16: 2e-3, torch.float32: 1e-5, torch.float64: 1e-9}


def check_posthoc(method: PostHoc, modalities: Sequence[str] = ("image", "text", "record"), width: int = 8) -> None:
    """Fit, apply, transform, save and load a method on seeded sets, and compare what must agree.

    Args:
        method: at the settings to check; it stays as it is, a copy is fitted.
        modalities: names of the sets' modalities; the settings may speak of them. All but the first have absent rows.
        width: of the embeddings.

    Raises:
        AssertionError: what does not hold, in one line.

    Example:
        >>> from closegap.posthoc import Whiten
        >>> check_posthoc(Whiten(shrinkage=0.5))
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ClosegapWarning)  # of rows on the origin: what is wrong is said below
        _check_settings(method)
        train = _seeded_set(modalities, width, seed=0, rows=80)
        test = _seeded_set(modalities, width, seed=1, rows=25)
        _check_refusals(method, train, test)
        for dtype in _ROUNDING:
            _check_rows(method, _in(train, dtype), _in(test, dtype), dtype)
        fitted = _copy(method).fit(train)
        moved = fitted.apply(test)
        _check_same(
            _copy(method).fit(train).apply(test), moved, "two fits on the same rows differ; seed what is random"
        )
        _check_absent_rows(method, train, test, moved)
        _check_order_of_rows(method, train, test, moved)
        _check_parts(fitted, test, moved)
        _check_file(fitted, test, moved)
        _check_sweep(method, train, test)


def _check_settings(method: PostHoc) -> None:
    assert "__dataclass_fields__" in vars(type(method)), (
        f"{_name(method)} is no dataclass of its own; decorate it with @dataclass(eq=False), fields are settings"
    )
    try:
        kept = json.loads(json.dumps(method.settings))
    except TypeError as error:
        raise AssertionError(f"{_name(method)}: its settings are not JSON values ({error})") from error
    assert kept == method.settings, (
        f"{_name(method)}: its settings are {kept} once they were JSON, not {method.settings}"
    )
    assert _copy(method).settings == method.settings, f"{_name(method)}: rebuilt from its settings it has others"


def _check_refusals(method: PostHoc, train: EmbeddingSet, test: EmbeddingSet) -> None:
    unfitted, fitted = _copy(method), _copy(method)
    assert _refused(unfitted, test), f"{_name(method)}: applied before it was fitted; leave `apply` as it is"
    assert fitted.fit(train) is fitted, f"{_name(method)}: fit returned something else; leave `fit` as it is"
    assert _refused(fitted, train), f"{_name(method)}: applied to rows that it was fitted on; leave `apply` as it is"
    stamped = fitted.apply(train, in_sample=True).meta.get("in_sample")
    assert stamped is True, f"{_name(method)}: the result does not say that it is in-sample; leave `apply` as it is"


def _check_rows(method: PostHoc, train: EmbeddingSet, test: EmbeddingSet, dtype: torch.dtype) -> None:
    before = {name: rows.clone() for name, rows in test.embeddings.items()}
    fitted = _copy(method).fit(train)
    state = {name: value.clone() for name, value in _state(fitted).items()}
    moved = fitted.apply(test)
    for name, value in _state(fitted).items():
        assert torch.equal(value, state[name]), f"{_name(method)}: move changed the estimate {name!r}; it must be pure"
    for name, rows in moved.embeddings.items():
        there = test.mask(name)
        assert torch.equal(test.embeddings[name], before[name]), (
            f"{_name(method)}: move changed the {name} it was given"
        )
        assert rows.dtype == dtype, f"{_name(method)}: {name} was {dtype} and is {rows.dtype}"
        off = (rows[there].double().norm(dim=1) - 1).abs().max()
        assert off <= _ROUNDING[dtype], (
            f"{_name(method)}: rows of {name} are not unit-norm, but off by {float(off):.2g}"
        )
        kept = before[name] if rows.shape == before[name].shape else torch.zeros_like(rows)
        untouched = torch.equal(rows[~there], kept[~there])
        assert untouched, f"{_name(method)}: absent rows of {name} were changed; leave `apply` as it is"
    for what in ("ids", "groups", "labels", "concepts"):
        assert getattr(moved, what) == getattr(test, what), f"{_name(method)}: the result has other {what}"
    assert moved.meta["posthoc"][-1]["settings"] == method.settings, f"{_name(method)}: the result's meta lacks it"


def _check_absent_rows(method: PostHoc, train: EmbeddingSet, test: EmbeddingSet, moved: EmbeddingSet) -> None:
    noise = {name: torch.where(train.mask(name)[:, None], rows, torch.nan) for name, rows in train.embeddings.items()}
    found = _copy(method).fit(replace(train, embeddings=noise)).apply(test)
    _check_same(found, moved, "absent rows touch its estimates; pick present rows before computing with them")


def _check_order_of_rows(method: PostHoc, train: EmbeddingSet, test: EmbeddingSet, moved: EmbeddingSet) -> None:
    def shuffled(embeddings: EmbeddingSet, seed: int) -> tuple[EmbeddingSet, Tensor]:
        order = torch.randperm(len(embeddings.ids), generator=torch.Generator().manual_seed(seed))
        return embeddings.select(order), order

    other, order = shuffled(test, 2)
    found = _copy(method).fit(shuffled(train, 3)[0]).apply(other)
    _check_same(found, moved.select(order), "the order of rows changes the result", tolerance=1e-6)


def _check_parts(fitted: PostHoc, test: EmbeddingSet, moved: EmbeddingSet) -> None:
    for name, rows in test.embeddings.items():
        alone = fitted.apply(replace(test, embeddings={name: rows}))
        _check_same(
            alone, replace(moved, embeddings={name: moved.embeddings[name]}), f"{name} alone is moved otherwise"
        )
        there = test.mask(name)
        batches = [fitted.transform(batch, name) for batch in torch.split(rows[there], 3)]
        _check_close(
            torch.cat(batches), moved.embeddings[name][there], f"{_name(fitted)}: transform is not apply", 1e-9
        )
        assert not len(fitted.transform(rows[:0], name)), f"{_name(fitted)}: transform makes rows of none"


def _check_file(fitted: PostHoc, test: EmbeddingSet, moved: EmbeddingSet) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "method.safetensors"
        fitted.save(path)
        loaded = type(fitted).load(path)
    assert loaded.settings == fitted.settings, f"{_name(fitted)}: loaded with {loaded.settings}, not {fitted.settings}"
    _check_same(
        loaded.apply(test), moved, "once saved and loaded it gives other rows; keep all it needs in its estimates"
    )


def _check_sweep(method: PostHoc, train: EmbeddingSet, test: EmbeddingSet) -> None:
    if method.sweep is None:
        return
    setting, values = method.sweep.setting, method.sweep.values
    assert setting in method.settings, f"{_name(method)}: its sweep is over {setting!r}, which is none of its settings"
    assert len(values) > 2, f"{_name(method)}: its sweep has {len(values)} values; expected both ends and one between"
    start = type(method)(**{**method.settings, setting: values[0]}).fit(train).apply(test)
    _check_same(start, test, f"at {setting} {values[0]}, where its sweep begins, it moves rows", tolerance=1e-6)


def _check_same(found: EmbeddingSet, expected: EmbeddingSet, complaint: str, tolerance: float = 0.0) -> None:
    for name, rows in expected.embeddings.items():
        there = expected.mask(name)
        _check_close(found.embeddings[name][there], rows[there], f"{complaint} ({name})", tolerance)


def _check_close(found: Float[Tensor, "n d"], expected: Float[Tensor, "n d"], complaint: str, tolerance: float) -> None:
    off = float((found - expected).abs().max())
    assert off <= tolerance, f"{complaint}: off by {off:.2g}, allowed {tolerance:g}"


def _refused(method: PostHoc, embeddings: EmbeddingSet) -> bool:
    try:
        method.apply(embeddings)
    except UsageError:
        return True
    return False


def _copy(method: PostHoc) -> PostHoc:
    return type(method)(**method.settings)


def _state(method: PostHoc) -> dict[str, Tensor]:
    assert method.fitted is not None
    return dict(method.fitted.state)


def _name(method: PostHoc) -> str:
    return type(method).__name__


def _in(embeddings: EmbeddingSet, dtype: torch.dtype) -> EmbeddingSet:
    return replace(embeddings, embeddings={name: rows.to(dtype) for name, rows in embeddings.embeddings.items()})


def _seeded_set(modalities: Sequence[str], width: int, seed: int, rows: int) -> EmbeddingSet:
    """Modalities of the same cases that sit apart, are stretched differently and are partly absent, in float64."""
    world, split = (torch.Generator().manual_seed(number) for number in (1234, seed))
    cases = torch.randn(rows, width, generator=split, dtype=torch.float64)
    embeddings, present = {}, {}
    for index, name in enumerate(modalities):
        place, stretch = torch.rand(2, width, generator=world, dtype=torch.float64)
        noise = torch.randn(rows, width, generator=split, dtype=torch.float64)
        embeddings[name] = normalize((cases + 0.3 * noise) * (0.5 + stretch) + 2 * place, dim=1)
        if index:
            present[name] = torch.rand(rows, generator=split) > 0.3
    return EmbeddingSet(
        embeddings,
        [f"case {seed}-{row}" for row in range(rows)],
        present,
        groups=[f"patient {seed}-{row // 2}" for row in range(rows)],
        labels={"organ": ["lung" if row % 2 else "heart" for row in range(rows)]},
        concepts=[(f"C{row % 5}",) for row in range(rows)],
    )
