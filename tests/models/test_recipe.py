import copy
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from closegap.errors import ClosegapError, UsageError
from closegap.models import Encoder, LinearHead, MLPHead, ScheduledTemperature, SmallTextEncoder
from closegap.models.recipe import Recipe, Recorded, class_path, trusted_class
from closegap.models.temperature import Temperature


class Anything(Recorded, nn.Module):
    """Takes what it is given."""

    def __init__(self, first: Any, second: Any = 2, **more: Any) -> None:
        super().__init__()
        self.first, self.second, self.more = first, second, more


class Many(Recorded):
    def __init__(self, *parts: int) -> None:
        self.parts = parts


def test_a_recipe_is_what_the_constructor_was_given_with_its_defaults() -> None:
    recipe = Anything("a", third=[1, {"x": None}]).recipe
    assert recipe == Recipe(f"{__name__}.Anything", {"first": "a", "second": 2, "third": [1, {"x": None}]})
    assert Anything(first=1.5, second=(1, (2, 3))).recipe.arguments == {"first": 1.5, "second": [1, [2, 3]]}
    assert MLPHead(4, 3, hidden=5).recipe.arguments == {"features": 4, "dim": 3, "hidden": 5, "dropout": 0.2}


def test_a_recipe_does_not_change_with_its_arguments() -> None:
    points = [(0.0, 1.0), (1.0, 0.1)]
    temperature = ScheduledTemperature(points)
    points.append((2.0, 0.0))
    assert temperature.recipe.arguments == {"points": [[0.0, 1.0], [1.0, 0.1]]}


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda module: pickle.loads(pickle.dumps(module))])  # noqa: S301
def test_copies_keep_their_recipe(copied: Any) -> None:
    module = Anything([1], second="b")
    found = copied(module)
    assert found.recipe == module.recipe
    assert (found.first, found.second) == ([1], "b")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (nn.Linear(1, 1), "Linear"),
        (Path("x"), "PosixPath"),
        ([{"x": torch.zeros(1)}], "Tensor"),
        ({1: "x"}, "int"),
        (len, "builtin_function_or_method"),
    ],
)
def test_what_json_cannot_hold_is_said_when_it_is_written(value: Any, named: str) -> None:
    recipe = Anything(value).recipe
    assert recipe.arguments is None
    with pytest.raises(ClosegapError, match=rf"Anything cannot be saved: its argument first holds a {named}, expected"):
        recipe.written()


def test_classes_and_constructors_that_no_file_can_name_are_said() -> None:
    class Inner(Recorded):
        pass

    with pytest.raises(
        ClosegapError, match="Inner cannot be saved: its class is defined inside another or inside a fu"
    ):
        Inner().recipe.written()
    with pytest.raises(ClosegapError, match="its constructor takes parts by position; let it be named"):
        Many(1, 2).recipe.written()


def test_wrong_arguments_are_the_constructors_to_refuse() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'first'"):
        Anything()  # type: ignore[call-arg]


def test_our_classes_are_named_by_their_package_and_others_by_their_module() -> None:
    assert class_path(SmallTextEncoder) == "closegap.models.SmallTextEncoder"
    assert class_path(Temperature) == "closegap.models.temperature.Temperature"
    assert class_path(Anything) == f"{__name__}.Anything"


@pytest.mark.parametrize("path", ["os.system", "closegap.cli.main.main", "closegap.modelsX.Y", "", None, 3, "closegap"])
def test_what_is_not_trusted_is_not_imported(path: Any) -> None:
    with pytest.raises(UsageError, match=r"^here: names .*, which is not trusted; if you trust it, load with trusted="):
        trusted_class(path, Encoder, ("another.Thing",), "here")  # type: ignore[type-abstract]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("closegap.models.LinearHead", "closegap.models.LinearHead is no Encoder"),
        ("closegap.models.recipe.as_json", "is no Encoder"),
        ("closegap.models.Nothing", r"cannot be imported \(.*Nothing.*\); install what defines it"),
        ("closegap.models.no.Thing", r"cannot be imported \(.*closegap\.models\.no.*\)"),
        ("no_such_package.Thing", r"cannot be imported \(.*no_such_package.*\)"),
    ],
)
def test_a_class_of_another_kind_or_none_is_refused(path: str, message: str) -> None:
    with pytest.raises(ClosegapError, match=rf"^here: .*{message}"):
        trusted_class(path, Encoder, ("no_such_package.Thing",), "here")  # type: ignore[type-abstract]


def test_trusted_classes_are_found() -> None:
    assert trusted_class("closegap.models.LinearHead", nn.Module, (), "here") is LinearHead
    path = f"{__name__}.Anything"
    found: type[Any] = trusted_class(path, nn.Module, (path,), "here")
    arguments: Mapping[str, Sequence[Any]] = {"first": [1]}
    assert found(**arguments).recipe.class_path == path
