"""Methods by their names, and by anybody's import path."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

import pytest
from jaxtyping import Float
from torch import Tensor

import closegap.posthoc
from closegap.embeddings import EmbeddingSet
from closegap.errors import UsageError
from closegap.posthoc import (
    PostHoc,
    Shift,
    anchored,
    chosen_arms,
    method_class,
    method_names,
    method_summaries,
    standard_arms,
)


@dataclass(eq=False)
class Mine(PostHoc):
    """Of somebody outside, with a setting that must be given."""

    strength: float

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        return {}

    def move(self, rows: Float[Tensor, "n d"], modality: str, state: Mapping[str, Tensor]) -> Float[Tensor, "n d"]:
        return rows


@dataclass(eq=False)
class Anchored(Mine):
    strength: float = 1.0
    anchor: str | None = None


HERE = Mine.__module__


def test_every_module_beside_the_base_is_one_method() -> None:
    for module in iter_modules(closegap.posthoc.__path__, "closegap.posthoc."):
        if not module.ispkg:
            own = vars(import_module(module.name)).values()
            methods = {found for found in own if isinstance(found, type) and found.__module__ == module.name}
            assert [method for method in methods if issubclass(method, PostHoc)] == [method_class(module.name[17:])]


def test_names_and_summaries_cost_no_torch() -> None:
    code = (
        "import sys; from closegap.posthoc import method_summaries; method_summaries(); print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
    assert list(method_summaries()) == method_names()
    assert method_summaries()["shift"] == "Shifting the modalities towards their common mean."


def test_arms_stand_in_one_order_controls_last() -> None:
    named = ["placebo", "center", f"{HERE}.Anchored", "shift", "center", "closegap.posthoc.whiten.Whiten"]
    assert list(chosen_arms(named)) == ["shift", "center", "whiten", "Anchored", "placebo"]
    assert chosen_arms([]) == {}


def test_a_path_leads_to_the_class_a_name_to_ours() -> None:
    assert method_class("shift") is Shift
    assert method_class("closegap.posthoc.Shift") is Shift
    assert method_class(f"{HERE}.Mine") is Mine


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("base", "base: no post-hoc method; expected one of shift, center"),
        ("shfit", "shfit: no post-hoc method; expected one of shift, .*, placebo, or a class as package.module.Class"),
        ("no_such_package.Mine", r"no_such_package\.Mine: cannot be imported \(No module named 'no_such_package'\)"),
        ("closegap.posthoc.Shfit", r"closegap\.posthoc\.Shfit: cannot be imported \(.* no attribute 'Shfit'\)"),
        ("closegap.posthoc.shift", r"closegap\.posthoc\.shift: is no PostHoc"),
        ("closegap.posthoc.PostHoc", "is no PostHoc that can be built"),
        ("torch.nn.Linear", "is no PostHoc"),
        (".Mine", r"\.Mine: cannot be imported"),
        ("Mine.", r"Mine\.: cannot be imported"),
    ],
)
def test_what_leads_to_no_method_says_so(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        method_class(name)


def test_a_setting_without_a_default_is_asked_for() -> None:
    with pytest.raises(UsageError, match=r"Mine: its setting 'strength' has no default.*posthoc fit --strength"):
        chosen_arms([f"{HERE}.Mine"])


def test_two_methods_of_one_name_are_refused() -> None:
    @dataclass(eq=False)
    class Anchored(Mine):
        strength: float = 2.0

    module = sys.modules[HERE]
    vars(module)["Twin"] = Anchored
    try:
        with pytest.raises(UsageError, match="two methods are called Anchored"):
            chosen_arms([f"{HERE}.Twin", f"{HERE}.Anchored"])
    finally:
        del vars(module)["Twin"]


def test_a_method_that_holds_a_modality() -> None:
    assert anchored("shift", "text").settings == {"fraction": 1.0, "anchor": "text"}
    assert anchored(f"{HERE}.Anchored", "text").settings == {"strength": 1.0, "anchor": "text"}
    for name in ("center", f"{HERE}.Mine", "shfit"):
        with pytest.raises(
            UsageError,
            match=r"no post-hoc method with an anchor.* one of shift, realign, match_moments, procrustes, canonical",
        ):
            anchored(name, "text")
    assert [name for name, arm in standard_arms().items() if arm.control] == ["placebo"]
