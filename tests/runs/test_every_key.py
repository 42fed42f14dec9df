"""Every key that a config can have, with every kind of wrong value: refused in one line that names it, or meant."""

import inspect
import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import pytest

from closegap.bounds import Bound
from closegap.caption import Generation, Scoring
from closegap.caption.decoder import CaptionDecoder
from closegap.data import Source
from closegap.data.readers.cells import Columns
from closegap.errors import UsageError
from closegap.losses import Loss
from closegap.losses.compose import Weighted
from closegap.metrics.bootstrap import resample_counts
from closegap.models import Encoder, Head, MLPHead
from closegap.models.temperature import Temperature
from closegap.posthoc import PostHoc
from closegap.runs.config import run_config, run_parser
from closegap.runs.objective import Objective
from closegap.runs.parsing import problems_of_config
from closegap.runs.training import Training
from closegap.schedule import Schedule
from closegap.values import problems

_PACKAGES = ("caption", "data", "losses", "models", "phantom", "posthoc", "training")
_BASES = (CaptionDecoder, Encoder, Head, Loss, Objective, PostHoc, Source, Temperature)
_PLAIN = (Columns, Generation, Schedule, Scoring, Weighted)
_WRONG: dict[str, Any] = {
    "null": None,
    "nan": math.nan,
    "infinite": math.inf,
    "negative": -1,
    "zero": 0,
    "a half": 0.5,
    "2 ** 64": 2**64,
    "10 ** 400": 10**400,
    "1e300": 1e300,
    "text": "x",
    "list": [],
    "nested": [[1]],
    "mapping": {"a": 1},
    "true": True,
}


class Key(NamedTuple):
    """A key, its type, and what is said of a value there."""

    name: str
    hint: Any
    said: Callable[[Any], list[str]]


def _classes() -> list[type]:
    """Every class of ours that a config or a command names."""
    homes = [import_module(f"closegap.{package}") for package in _PACKAGES]
    found = {getattr(home, name) for home in homes for name in getattr(home, "__all__", ())}
    named = {one for one in found if isinstance(one, type) and issubclass(one, _BASES) and not inspect.isabstract(one)}
    return sorted(named | set(_PLAIN), key=lambda one: one.__qualname__)


def _keys() -> Iterator[Key]:
    parser = run_parser()
    for action in parser._actions:
        hint = getattr(action, "_typehint", None)
        if hint is not None and not action.dest.endswith(".help"):
            yield Key(action.dest, hint, partial(_in_config, parser, action.dest))
    for taken in _classes():
        for name, parameter in inspect.signature(taken).parameters.items():
            if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
                continue
            where, hint = f"{taken.__name__}.{name}", parameter.annotation
            yield Key(where, hint, partial(_of_argument, where, hint))


def _in_config(parser: Any, key: str, value: Any) -> list[str]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return list(problems_of_config(parser, value))


def _of_argument(where: str, hint: Any, value: Any) -> list[str]:
    return list(problems(value, hint, where))


_KEYS = list(_keys())


def _alternatives(hint: Any) -> Sequence[Any]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else [hint]


def _meant(hint: Any, value: Any) -> bool:
    """Whether one of the wrong values is right for a type: said a second time, by the kinds of types there are."""
    for one in _alternatives(hint):
        origin = get_origin(one)
        base, *bounds = get_args(one) if origin is Annotated else (one,)
        several = isinstance(origin, type) and not issubclass(origin, Callable)  # type: ignore[arg-type]
        section = hasattr(one, "__required_keys__")
        if value is None or isinstance(value, bool):
            right = one is (types.NoneType if value is None else bool)
        elif base in (int, float):
            number = isinstance(value, int if base is int else int | float) and abs(value) < 10**308
            right = number and all(_within(bound, value) for bound in bounds)
        elif isinstance(value, str):
            closed = several or section or is_dataclass(one) or base in (bool, types.NoneType) or origin is Literal
            right = base in (str, Path) or not closed
        elif isinstance(value, Mapping):  # of a class: its arguments, which jsonargparse looks at
            right = several and issubclass(origin, Mapping) and _meant(get_args(one)[1], 1)
            right = right or not (several or section or base in (str, bool, Path, types.NoneType) or origin is Literal)
        else:
            right = value == [] and several and not issubclass(origin, Mapping) and (origin is not tuple)
        if right:
            return True
    return False


def _within(bound: Bound, value: float) -> bool:
    return bound.low <= value <= bound.high and not (bound.beyond and value == bound.low)


def test_there_are_as_many_keys_as_one_thinks() -> None:
    assert len(_KEYS) > 150
    assert {"train.lr", "checks.leaks", "SmallTextEncoder.heads", "Shift.fraction"} <= {key.name for key in _KEYS}


@pytest.mark.parametrize("value", _WRONG.values(), ids=_WRONG)
def test_a_value_is_refused_in_a_line_or_meant(value: Any) -> None:
    for key in _KEYS:
        lines = key.said(value)
        assert bool(lines) != _meant(key.hint, value), (key.name, key.hint, value, lines)
        assert all(line.startswith(key.name) and line.isprintable() and len(line) < 300 for line in lines), lines


def test_every_number_has_a_bound() -> None:
    def bare(hint: Any) -> bool:
        return hint in (int, float) or (get_origin(hint) is not Annotated and any(map(bare, get_args(hint))))

    # A schedule may stand for anything: those who take one say what it holds.
    assert [key.name for key in _KEYS if bare(key.hint)] == ["Schedule.points"]


def test_a_run_of_python_refuses_as_a_config_does() -> None:
    with pytest.raises(UsageError, match=r"^train\.tower_lr\.image: -1 given, expected a number above 0, at most"):
        run_config({"train": {"tower_lr": {"image": -1}}})
    with pytest.raises(UsageError, match=r"^Training\.lr: nan given, expected a number above 0, at most 1000$"):
        Training(lr=math.nan)
    with pytest.raises(UsageError, match=r"^MLPHead\.dropout: 1 given, expected a number from 0 to below 1$"):
        MLPHead(8, 4, dropout=1)
    with pytest.raises(UsageError, match=r"^resamples: 0 given, expected a whole number from 1 to 100000$"):
        resample_counts(5, resamples=0)
