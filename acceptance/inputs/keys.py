"""Every key of a config with what it cannot be: null, not a number, infinite, negative, huge, of another type."""

import inspect
import json
import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from random import Random
from types import NoneType
from typing import Any, get_args, get_type_hints

import yaml

from acceptance.inputs.case import Case, Place
from acceptance.tiny import config, part

Where = tuple[Any, ...]

_VALUES: tuple[Any, ...] = (
    *(None, math.nan, math.inf, -math.inf, -1, 0, -0.5, 2**31, 2**63, 2**64, -(2**63), 10**30, 1e300),
    *(True, "x", "", [], [1], {}, {"a": 1}),
)
_SIZES = frozenset(
    {"steps", "epochs", "dim", "hidden", "buckets", "layers", "max_length", "batch_size", "workers", "cases"}
)
_CHOICES = (
    *(("loss", f"closegap.losses.{name}", {}) for name in ("GapClosing", "InfoNCE", "CyCLIP", "SigLIP", "GramVolume")),
    *(("model.head", f"closegap.models.{name}", {}) for name in ("LinearHead", "MLPHead")),
    *(("model.temperature", f"closegap.models.{name}", {}) for name in ("FixedTemperature", "LearnableTemperature")),
    ("train.optimizer", "torch.optim.AdamW", {"eps": 1e-8, "amsgrad": False}),
    ("train.optimizer", "torch.optim.SGD", {"momentum": 0.9, "nesterov": True}),
    ("train.schedule", "closegap.training.schedule.WarmupCosine", {}),
)


def whole_config(sound: Path) -> dict[str, Any]:
    """A config of one step in which every key of training and checks, and those of its parts, is written down."""
    from closegap.data import Checks
    from closegap.runs.training import Training

    found = config(str(sound / "cases.csv"), steps=1)
    training = asdict(Training(**found["train"])) | {"tower_lr": {"report": 0.001}, "precision": "no"}
    found["train"] = json.loads(json.dumps(training))
    found |= {"seed": 0, "checks": asdict(Checks())}
    for encoder in found["model"]["encoders"].values():
        encoder["init_args"] = _defaults(encoder["class_path"]) | encoder["init_args"]
    found["data"]["init_args"] = _defaults(found["data"]["class_path"]) | found["data"]["init_args"]
    return found


def places(value: Any, above: Where = ()) -> list[Where]:
    """Every key of nested mappings and lists, as a path."""
    found: list[Where] = [above] if above else []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        found += places(inner, (*above, key))
    return found


def replaced(value: dict[str, Any], where: Where, by: Any) -> dict[str, Any]:
    """The config with one value replaced."""
    found = deepcopy(value)
    inner: Any = found
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = by
    return found


def make(place: Place) -> Case:
    """One step of training with one key replaced; a campaign of some thousands takes every key with every value."""
    base = _with_choice(whole_config(place.sound), _CHOICES[place.number % len(_CHOICES)])
    every = list(_combinations(base))
    Random(0).shuffle(every)
    where, value = every[place.number % len(every)]
    Path("config.yaml").write_text(yaml.safe_dump(replaced(base, where, value)))
    refused = value is None and not _nullable(base, where)
    refused |= isinstance(value, float) and not math.isfinite(value)
    arguments = ["train", "--config", "config.yaml", "--out", "out"]
    return Case(
        arguments, "refused" if refused else "any", names=next(str(key) for key in where[::-1] if isinstance(key, str))
    )


def _combinations(base: dict[str, Any]) -> Iterator[tuple[Where, Any]]:
    for where in places(base):
        if where[-1] in ("class_path", "path"):
            continue
        for value in _VALUES:
            big = (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and math.isfinite(value)
                and value > 2**20
            )
            if not (big and where[-1] in _SIZES):  # so many steps or rows are meant, and take for ever
                yield where, value


def _with_choice(base: dict[str, Any], choice: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    dotted, path, arguments = choice
    found = deepcopy(base)
    *above, last = dotted.split(".")
    inner = found
    for key in above:
        inner = inner[key]
    inner[last] = part(path, **(_defaults(path) | arguments))
    return found


def _class(path: str) -> type:
    module, _, name = path.rpartition(".")
    found: type = getattr(import_module(module), name)
    return found


def _defaults(path: str) -> dict[str, Any]:
    """A class's arguments that have a default which YAML can say."""
    signature = inspect.signature(_class(path))
    simple = {name: given.default for name, given in signature.parameters.items() if given.default is not given.empty}
    return {name: value for name, value in simple.items() if isinstance(value, bool | int | float | str | NoneType)}


def _nullable(base: dict[str, Any], where: Where) -> bool:
    """Whether the type of a key allows null; unknown counts as allowed."""
    if where[0] in ("seed", "arm", "checks", "train", "model", "loss", "data") and len(where) == 1:
        return False
    if where[-2:-1] == ("init_args",):
        inner: Any = base
        for key in where[:-2]:
            inner = inner[key]
        return _allows(_class(inner["class_path"]), str(where[-1]))
    if len(where) == 2 and where[0] in ("train", "checks"):
        from closegap.data import Checks
        from closegap.runs.training import Training

        return _allows(Training if where[0] == "train" else Checks, str(where[1]))
    return True


def _allows(part: type, name: str) -> bool:
    try:
        hints = get_type_hints(part.__init__)  # type: ignore[misc]
    except (NameError, TypeError):
        return True
    return name not in hints or NoneType in get_args(hints[name]) or hints[name] is Any
