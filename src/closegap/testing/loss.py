"""What holds for every loss, to be run on one from elsewhere."""

from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError
from torch.nn.functional import normalize

from closegap.errors import UsageError
from closegap.losses import Loss, tiling
from closegap.testing.threads import on_threads
from closegap.types import Groups

_TAU = 0.2
_EXACT = 1e-10  # relative to the norm, in float64


def check_loss(loss: Loss, without: Collection[str] = ()) -> None:
    """Refuse a loss that does not keep what every loss promises.

    Called on random batches of the modalities `image`, `report` and `record`: a loss with an anchor is given one of
    these by name. It is copied, and stays as it is.

    - `terms`: finite numbers by name; the same again for the same batch, which is not touched.
    - `rows`, `modalities`, `rotation`: neither the order of cases, nor that of modalities, nor a rotation matters.
    - `absent`: absent rows, NaN or infinite, touch neither values nor gradients; a modality that the batch lacks is
      as good as none.
    - `groups`: their numbers mean nothing; groups of one case each are no groups.
    - `degenerate`: finite values and gradients of no case, one, duplicates, aligned and opposite ones, one group.
    - `precision`: autocast changes nothing; bfloat16 rows are computed with in float32.
    - `temperature`: a number is as good as a tensor.
    - `derivative`: gradients agree with finite differences, the temperature's and parameters' too.
    - `tiles`: tiles give what the dense form gives.
    - `processes`: several processes that divide the tiles give what one gives, in the mean of the rows' gradients and
      in the whole gradient of each parameter on each.
    - `refusal`: a batch whose parts do not fit together is refused.

    Args:
        loss: to be checked.
        without: names of checks above that do not apply, as `derivative` to a loss that holds a gradient back.

    Raises:
        AssertionError: what does not hold, and how far off it is.
        UsageError: a name in `without` that is no check.

    Example:
        >>> from closegap.losses import InfoNCE
        >>> check_loss(InfoNCE())
    """
    unknown = sorted(set(without) - set(_CHECKS))
    if unknown:
        raise UsageError(f"without names {', '.join(unknown)}, which is no check; there are {', '.join(_CHECKS)}")
    for name, check in _CHECKS.items():
        if name not in without:
            try:
                check(deepcopy(loss))
            except AssertionError as error:
                raise AssertionError(f"{type(loss).__name__} fails the check {name!r}: {error}") from error


@dataclass(frozen=True)
class _Given:
    """What a loss is called with."""

    embeddings: Mapping[str, Float[Tensor, "n d"]]
    present: Mapping[str, Bool[Tensor, "n"]]
    groups: Groups | None = None

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "_Given":
        return replace(self, embeddings={name: change(rows) for name, rows in self.embeddings.items()})


def _draw(n: int = 8, d: int = 5, missing: float = 0.0, groups: int = 0, seed: int = 0) -> _Given:
    """Unit-norm rows of cases that share a direction; absent rows are NaN; `groups` groups, none for 0."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(n, d, generator=generator, dtype=torch.float64)
    embeddings, present = {}, {}
    for name in ("image", "report", "record"):
        rows = normalize(shared + torch.randn(n, d, generator=generator, dtype=torch.float64), dim=1)
        if missing:
            present[name] = torch.rand(n, generator=generator) >= missing
            rows[~present[name]] = torch.nan
        embeddings[name] = rows
    return _Given(embeddings, present, torch.randint(groups, (n,), generator=generator) if groups else None)


def _computed(loss: Loss, given: _Given, autocast: bool = False) -> dict[str, Tensor]:
    """The terms and every gradient of their sum, by what they are called in messages."""
    embeddings = {name: rows.detach().clone().requires_grad_() for name, rows in given.embeddings.items()}
    rows = next(iter(embeddings.values()))
    loss = deepcopy(loss).double() if rows.dtype == torch.float64 else loss  # parameters no coarser than the rows
    tau = torch.tensor(_TAU, dtype=torch.promote_types(rows.dtype, torch.float32), requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, autocast):
        terms = loss(embeddings, given.present, tau, 0.5, given.groups)
    _ensure(bool(terms), "there are no terms")
    for name, value in terms.items():
        _ensure(value.shape == (), f"the term {name!r} has shape {tuple(value.shape)}, expected one number")
    leaves = {f"the gradient of {name}": one for name, one in embeddings.items()} | {"the temperature's gradient": tau}
    leaves |= {f"the gradient of the parameter {name}": one for name, one in loss.named_parameters()}
    total = torch.stack([value.double() for value in terms.values()]).sum()
    if total.requires_grad:
        gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, materialize_grads=True)
    else:
        gradients = tuple(torch.zeros_like(leaf) for leaf in leaves.values())
    return {f"the term {name!r}": value.detach() for name, value in terms.items()} | dict(
        zip(leaves, gradients, strict=True)
    )


def _values(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in found.items() if name.startswith("the term")}


def _ensure(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _agree(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str, tolerance: float = _EXACT) -> None:
    _ensure(set(found) == set(expected), f"{what}: {sorted(found)}, expected {sorted(expected)}")
    for name, reference in expected.items():
        error = float((found[name].double() - reference.double()).norm())
        most = tolerance * (float(reference.double().norm()) + 1)
        _ensure(error <= most, f"{what}: {name} is off by {error:.3g}, at most {most:.3g} is allowed")


def _finite(found: Mapping[str, Tensor], what: str) -> None:
    for name, value in found.items():
        _ensure(bool(value.isfinite().all()), f"{what}: {name} is not finite")


def _terms(loss: Loss) -> None:
    given = _draw(missing=0.3, groups=5)
    before = given.mapped(torch.clone)
    first = _computed(loss, given)
    _finite(first, "a random batch")
    _agree(_computed(loss, given), first, "the same batch again", 0.0)
    for name, rows in before.embeddings.items():
        _ensure(torch.equal(rows.nan_to_num(9), given.embeddings[name].nan_to_num(9)), f"rows of {name} were changed")


def _rows(loss: Loss) -> None:
    given, order = _draw(missing=0.3, groups=5), torch.tensor([3, 0, 7, 1, 6, 2, 5, 4])
    assert given.groups is not None
    shuffled = replace(
        given.mapped(lambda rows: rows[order]),
        present={name: mask[order] for name, mask in given.present.items()},
        groups=given.groups[order],
    )
    _agree(_values(_computed(loss, shuffled)), _values(_computed(loss, given)), "cases in another order")


def _modalities(loss: Loss) -> None:
    given = _draw(missing=0.2)
    other = replace(given, embeddings=dict(reversed(list(given.embeddings.items()))))
    _agree(_computed(loss, other), _computed(loss, given), "modalities in another order")


def _rotation(loss: Loss) -> None:
    given = _draw()
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64))[0]
    rotated = given.mapped(lambda rows: rows @ rotation)
    _agree(_values(_computed(loss, rotated)), _values(_computed(loss, given)), "rotated rows")


def _absent(loss: Loss) -> None:
    given = _draw(n=12, missing=0.4, groups=8)
    found = _computed(loss, given)
    _finite(found, "absent rows that are NaN")
    other = given.mapped(lambda rows: rows.masked_fill(rows.isnan(), torch.inf))
    _agree(_computed(loss, other), found, "absent rows that are infinite", 0.0)
    for name, mask in given.present.items():
        gradient = found[f"the gradient of {name}"]
        _ensure(bool((gradient[~mask] == 0).all()), f"the gradient of {name} is not 0 in absent rows")
    given = _draw()
    lacking = replace(given, present={"record": torch.zeros(8, dtype=torch.bool)})
    two = replace(given, embeddings={name: given.embeddings[name] for name in ("image", "report")})
    _agree(_values(_computed(loss, lacking)), _values(_computed(loss, two)), "a modality that the batch lacks")


def _groups(loss: Loss) -> None:
    given = _draw(groups=4)
    assert given.groups is not None
    renumbered = replace(given, groups=10**12 - 7 * given.groups)
    _agree(_computed(loss, renumbered), _computed(loss, given), "groups under other numbers")
    alone, none = replace(given, groups=torch.arange(8)), replace(given, groups=None)
    _agree(_computed(loss, alone), _computed(loss, none), "groups of one case each")


def _degenerate(loss: Loss) -> None:
    rows = normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    same, nowhere = torch.zeros(6, dtype=torch.long), torch.zeros(6, dtype=torch.bool)
    for what, image, report, present, groups in (
        ("no case", rows[:0], rows[:0], {}, None),
        ("one case", rows[:1], rows[1:2], {}, None),
        ("duplicates", rows[[0, 0, 1, 1]], rows[[2, 2, 3, 3]], {}, None),
        ("aligned modalities", rows, rows, {}, None),
        ("one point", rows[[0, 0, 0]], rows[[0, 0, 0]], {}, None),
        ("opposite modalities", rows, -rows, {}, None),
        ("one group", rows, rows.flip(0), {}, same),
        ("no pair", rows, rows.flip(0), {"report": nowhere}, None),
        ("nothing at all", rows, rows.flip(0), {"image": nowhere, "report": nowhere}, None),
    ):
        given = _Given({"image": image, "report": report}, present, groups)
        _finite(_computed(loss, given), what)
        with tiling(above=-1, side=2):
            _finite(_computed(loss, given), f"{what}, in tiles")


def _precision(loss: Loss) -> None:
    given = _draw(n=30, d=16)
    single, half = given.mapped(torch.Tensor.float), given.mapped(torch.Tensor.bfloat16)
    _agree(_computed(loss, single, autocast=True), _computed(loss, single), "under autocast", 0.0)
    found = _values(_computed(loss, half))
    for name, value in found.items():
        _ensure(value.dtype == torch.float32, f"{name} of bfloat16 rows is {value.dtype}, expected torch.float32")
    rounded = _values(_computed(loss, half.mapped(torch.Tensor.double)))
    _agree(found, rounded, "bfloat16 rows against the same in float64", 1e-5)


def _temperature(loss: Loss) -> None:
    given = _draw()
    number = loss.double()(given.embeddings, {}, _TAU, 0.5)
    expected = _values(_computed(loss, given))
    _agree({f"the term {name!r}": value.detach() for name, value in number.items()}, expected, "a number")


def _derivative(loss: Loss) -> None:
    given, loss = _draw(n=5, d=3, groups=3), loss.double()
    names, parameters = list(given.embeddings), list(loss.parameters())

    def total(tau: Tensor, *leaves: Tensor) -> Tensor:
        terms = loss(dict(zip(names, leaves, strict=False)), {}, tau, 0.5, given.groups)
        return torch.stack(list(terms.values())).sum()

    rows = [one.clone().requires_grad_() for one in given.embeddings.values()]
    tau = torch.tensor(_TAU, dtype=torch.float64, requires_grad=True)
    try:
        torch.autograd.gradcheck(total, (tau, *rows, *parameters))
    except GradcheckError as error:
        raise AssertionError(f"finite differences: {error}") from None


def _tiles(loss: Loss) -> None:
    for given in (_draw(n=23, missing=0.2, groups=15), _draw(n=16)):
        expected = _computed(loss, given)
        with tiling(above=-1, side=5):
            _agree(_computed(loss, given), expected, "in tiles")


def _processes(loss: Loss) -> None:
    given, size = _draw(n=23, missing=0.2, groups=15), 3

    def work() -> dict[str, Tensor]:
        with tiling(above=-1, side=5):
            return _computed(deepcopy(loss), given)

    expected, found = _computed(loss, given), on_threads(size, work)
    whole = [name for name in expected if name.startswith(("the term", "the gradient of the parameter"))]
    for each in found:
        _agree({name: each[name] for name in whole}, {name: expected[name] for name in whole}, "on each of 3 processes")
    mean = {name: torch.stack([each[name] for each in found]).mean(0) for name in expected}
    _agree(mean, expected, "in the mean of 3 processes")


def _refusal(loss: Loss) -> None:
    given = _draw()
    for what, other in (
        ("a modality of another length", {**given.embeddings, "report": torch.ones(9, 5, dtype=torch.float64)}),
        ("no modality", {}),
    ):
        try:
            loss(other, {}, _TAU, 0.5)
        except UsageError:
            continue
        raise AssertionError(f"{what} is not refused")


_CHECKS: Mapping[str, Callable[[Loss], None]] = {
    "terms": _terms,
    "rows": _rows,
    "modalities": _modalities,
    "rotation": _rotation,
    "absent": _absent,
    "groups": _groups,
    "degenerate": _degenerate,
    "precision": _precision,
    "temperature": _temperature,
    "derivative": _derivative,
    "tiles": _tiles,
    "processes": _processes,
    "refusal": _refusal,
}
