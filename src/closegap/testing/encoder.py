"""What every encoder must hold to."""

import copy
import pickle
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from closegap.batch import Activations
from closegap.kinds.base import Kind
from closegap.models.base import Encoder
from closegap.models.model import Model
from closegap.models.towers.codes import CodeSetEncoder

_THREADS, _REPEATS = 8, 4
_ROUNDING = 1e-4  # of float32 features of unit size, between batches of other sizes


def check_encoder(encoder: Encoder, items: Sequence[Any]) -> None:
    """Prepare items, run the tower, save and load it, and compare what must agree.

    Args:
        encoder: at the settings to check, on the CPU; it stays as it is, copies are changed.
        items: what it takes, at least two, of different lengths where items have any.

    Raises:
        AssertionError: what does not hold, in one line.

    Example:
        >>> from closegap.models import SmallTextEncoder
        >>> check_encoder(SmallTextEncoder(dim=8, layers=1, heads=1), ["no effusion", "a mass in the left lung"])
    """
    assert len(items) > 1, f"{len(items)} items given, expected at least two"
    takes = getattr(encoder, "takes", None)
    assert isinstance(takes, type) and issubclass(takes, Kind), (  # noqa: PT018 - one thing that is asked
        f"{_name(encoder)}: does not say what it takes; give the class an attribute `takes`, a kind"
    )
    tried = copy.deepcopy(encoder).eval()
    _check_preparer(tried, items)
    _check_threads(tried, items)
    features = _check_features(tried, items)
    _check_fingerprint(tried)
    _check_gradient(encoder, items)
    _check_prefix(encoder, items)
    _check_parts(tried, items, features)
    _check_folder(tried, items, features)


def _check_preparer(encoder: Encoder, items: Sequence[Any]) -> None:
    name, preparer = _name(encoder), encoder.preparer()
    try:
        copied = pickle.loads(pickle.dumps(preparer))  # noqa: S301 - our own bytes
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        raise AssertionError(f"{name}: its preparer does not travel to worker processes ({error})") from error
    before, prepared = repr(preparer), preparer(items)
    assert " at 0x" not in before, (
        f"{name}: the repr of its preparer is an address; let it name what its output depends on"
    )
    for other, what in ((preparer, "is used"), (copied, "is pickled"), (encoder.preparer(), "is asked for again")):
        assert repr(other) == before, f"{name}: the repr of its preparer changes when it {what}"
        assert _same(other(items), prepared), f"{name}: its preparer gives another batch when it {what}"
    lengths = {len(tensor) for tensor in _tensors(prepared)}
    assert lengths == {len(items)}, (
        f"{name}: {len(items)} items are prepared to tensors of {sorted(lengths)} rows; every tensor has a row per item"
    )
    found = len(encoder.lengths(items))
    assert found == len(items), f"{name}: lengths() gives {found} numbers for {len(items)} items"


def _check_threads(encoder: Encoder, items: Sequence[Any]) -> None:
    """Threads prepare batches of different sizes at once, as `Model.embed` does."""
    preparer = encoder.preparer()
    batches = [items[first:] for first in range(len(items))] * _REPEATS
    expected = [preparer(batch) for batch in batches]
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            found = list(pool.map(preparer, batches))
        except Exception as error:
            raise AssertionError(f"{_name(encoder)}: its preparer fails when threads share it ({error})") from error
    assert all(map(_same, found, expected)), f"{_name(encoder)}: its preparer gives another batch when threads share it"


def _check_features(encoder: Encoder, items: Sequence[Any]) -> Tensor:
    name, features = _name(encoder), _features(encoder, items)
    expected = (len(items), encoder.dim)
    assert features.shape == expected, f"{name}: features of shape {tuple(features.shape)}, expected {expected}"
    assert features.isfinite().all(), f"{name}: features that are not finite"
    assert torch.equal(_features(encoder, items), features), f"{name}: evaluated twice, its features differ"
    alone = torch.cat([_features(encoder, [item]) for item in items])
    apart = float((alone - features).abs().max() / features.abs().max().clamp_min(1e-12))
    assert apart < _ROUNDING, (
        f"{name}: an item's features are {apart:.1g} of the largest apart from those that it has in a batch; mask "
        "padding, and use no statistics of the batch in evaluation"
    )
    return features


def _check_fingerprint(encoder: Encoder) -> None:
    name, other = _name(encoder), copy.deepcopy(encoder)
    found = encoder.fingerprint()
    assert encoder.fingerprint() == found, f"{name}: its fingerprint changes from call to call"
    assert other.fingerprint() == found, f"{name}: a copy has another fingerprint"
    parameters = list(other.named_parameters())
    with torch.no_grad():
        for key, parameter in parameters[:1] + parameters[-1:]:
            before = other.fingerprint()
            parameter.view(-1)[0] += 1
            assert other.fingerprint() != before, f"{name}: its fingerprint stays when {key} changes"


def _check_gradient(encoder: Encoder, items: Sequence[Any]) -> None:
    tried = copy.deepcopy(encoder).train()
    if encoder.untrained:
        return
    tried(tried.preparer()(items)).square().sum().backward()
    for key, parameter in tried.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, (
                f"{_name(encoder)}: {key} is trained but has no gradient; distributed training would wait for it"
            )
            assert parameter.grad.isfinite().all(), f"{_name(encoder)}: the gradient of {key} is not finite"


def _check_prefix(encoder: Encoder, items: Sequence[Any]) -> None:
    """Trained from its activations, a tower is trained as it is from its items."""
    name, tried = _name(encoder), copy.deepcopy(encoder).train()
    if tried.prefix is None:
        return
    inputs = tried.preparer()(items)
    whole = _with_gradients(tried, lambda: tried(inputs))
    resumed = _with_gradients(tried, lambda: tried.resume(tried.activations(inputs)))
    for key, expected in whole.items():
        apart = float((resumed[key] - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
        assert apart < _ROUNDING, f"{name}: resumed from its prefix, {key} is {apart:.1g} of the largest apart"
    inside = {id(tensor) for tensor in tried.prefix.state_dict(keep_vars=True).values()}
    found = tried.prefix_fingerprint()
    for key, tensor in [*tried.named_parameters(), *tried.named_buffers()]:
        assert not (tensor.requires_grad and id(tensor) in inside), f"{name}: its prefix holds {key}, which is trained"
        if id(tensor) not in inside and tensor.is_floating_point():
            _nudge(tensor)
            assert tried.prefix_fingerprint() == found, f"{name}: its prefix is found by {key}, which is not part of it"
    _nudge(next(tried.prefix.parameters()))
    assert tried.prefix_fingerprint() != found, f"{name}: a weight of its prefix changes, but not what it is found by"


@torch.no_grad()
def _check_parts(encoder: Encoder, items: Sequence[Any], features: Tensor) -> None:
    """From the features of their parts, each computed alone, items have the features that they have as a whole."""
    name, tower = _name(encoder), encoder.part_encoder
    if tower is None:
        return
    assert tower.untrained, f"{name}: its tower of parts is trained"
    for item, expected in zip(items, features, strict=True):
        rows = torch.cat([_features(tower.eval(), [part]) for part in encoder.parts(item)])
        found = encoder.resume(Activations(rows[None], torch.tensor([len(rows)])))[0]
        apart = float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
        assert apart < _ROUNDING, f"{name}: resumed from its parts, features are {apart:.1g} of the largest apart"


def _with_gradients(encoder: Encoder, features: Callable[[], Tensor]) -> dict[str, Tensor]:
    """Features, the same units dropped each time, and the gradient of each trained parameter."""
    encoder.zero_grad()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = features()
    found.square().sum().backward()  # type: ignore[no-untyped-call]
    gradients = {f"the gradient of {key}": p.grad for key, p in encoder.named_parameters() if p.grad is not None}
    return {"a feature": found.detach(), **gradients}


@torch.no_grad()
def _nudge(tensor: Tensor) -> None:
    tensor.view(-1)[0] += 1


def _check_folder(encoder: Encoder, items: Sequence[Any], features: Tensor) -> None:
    model = Model({"checked": encoder, "other": CodeSetEncoder(dim=2, buckets=4)}, dim=2)
    with TemporaryDirectory() as folder:
        model.save_pretrained(Path(folder) / "model")
        found = Model.from_pretrained(Path(folder) / "model", [encoder.recipe.class_path]).encoder("checked")
    assert torch.equal(_features(found, items), features), (
        f"{_name(encoder)}: saved and loaded, it has other features; keep what they depend on among the constructor's "
        "arguments, parameters and buffers"
    )


@torch.no_grad()
def _features(encoder: Encoder, items: Sequence[Any]) -> Tensor:
    features: Tensor = encoder(encoder.preparer()(items))
    return features


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    inside: Sequence[Any] = ()
    if isinstance(value, Mapping):
        inside = list(value.values())
    elif isinstance(value, tuple | list):
        inside = value
    return [tensor for part in inside for tensor in _tensors(part)]


def _same(one: Any, other: Any) -> bool:
    pairs = _tensors(one), _tensors(other)
    return len(pairs[0]) == len(pairs[1]) and all(
        a.shape == b.shape and a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num())
        for a, b in zip(*pairs, strict=True)
    )


def _name(encoder: Encoder) -> str:
    return type(encoder).__name__
