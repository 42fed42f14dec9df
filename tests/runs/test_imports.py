"""A config imports what it plainly names, which is said before, and nothing else."""

import logging
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.cli import tiny

from closegap import load
from closegap.errors import UsageError
from closegap.runs.config import parse_run, read_config, run_config

_STRANGER = """
from pathlib import Path
from closegap.losses import InfoNCE
from closegap.models import LinearHead
Path({canary!r}).touch()
class Loss(InfoNCE): ...
class Head(LinearHead): ...
class Nothing: ...
"""


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that is there once a stranger's module was imported."""
    return tmp_path / "canary"


@pytest.fixture
def stranger(canary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a module that can be imported and was not yet."""
    name = f"stranger_{abs(hash(request.node.name))}"
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / f"{name}.py").write_text(_STRANGER.format(canary=str(canary)), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    return name


def config(**keys: Any) -> dict[str, Any]:
    return tiny.config(tiny.phantoms(20), **keys)


def test_what_a_file_names_is_said_before_it_is_imported(
    stranger: str, canary: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    imported: list[bool] = []
    handler = logging.Handler()
    handler.emit = lambda record: imported.append(canary.exists())  # type: ignore[method-assign]
    logging.getLogger("closegap.runs.imports").addHandler(handler)
    path = tiny.write(tmp_path / "run.json", config(loss={"class_path": f"{stranger}.Loss"}))
    for _ in range(2):
        assert parse_run(["--config", str(path)]).loss.class_path == f"{stranger}.Loss"
    logging.getLogger("closegap.runs.imports").removeHandler(handler)
    assert caplog.messages == [f"the config names classes outside closegap; importing {stranger}"]
    assert (imported, canary.exists()) == ([False], True)


@pytest.mark.parametrize("key", ["loss", "model.head", "model.encoders.report", "train.optimizer.class_path"])
def test_what_is_typed_is_not_said_again(
    stranger: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    path = tiny.write(tmp_path / "run.json", config())
    name = {"loss": "Loss", "model.head": "Head"}.get(key, "Nothing")
    try:
        parse_run(["--config", str(path), f"--{key}", f"{stranger}.{name}"])
    except UsageError as error:  # it is no encoder
        assert "is no Encoder" in str(error)  # noqa: PT017
    assert caplog.messages == []


def test_what_is_named_where_no_class_is_expected_is_not_imported(stranger: str, canary: Path, tmp_path: Path) -> None:
    layer = {"class_path": "torch.nn.TransformerEncoderLayer", "init_args": {"d_model": 8, "nhead": 1}}
    layer["init_args"]["activation"] = f"{stranger}.Nothing"  # type: ignore[index]
    with pytest.raises(UsageError) as caught:
        run_config(config(model=config()["model"] | {"head": layer}))
    assert "\n" not in str(caught.value)
    assert not canary.exists()
    arguments = {"root": f"{stranger}.Loss"}
    read = run_config(config() | {"data": {"class_path": "closegap.data.Roco", "init_args": arguments}})
    assert str(read.data.init_args.root) == f"{stranger}.Loss"
    assert not canary.exists()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"loss": {"class_path": "os.system"}}, "loss: class_path 'os.system' is of Python's own library"),
        ({"loss": "antigravity.Loss"}, "loss: class_path 'antigravity.Loss' is of Python's own library"),
        ({"objective": {"class_path": "subprocess.Popen"}}, "objective: class_path 'subprocess.Popen' is of"),
        ({"model": {"head": "builtins.exec"}}, "model.head: class_path 'builtins.exec' is of Python's own library"),
        (
            {"train": {"optimizer": {"class_path": "subprocess.Popen", "init_args": {"args": "ls"}}}},
            "train.optimizer: class_path 'subprocess.Popen' is of Python's own library",
        ),
    ],
)
def test_the_standard_library_is_no_part_of_a_run(keys: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run_config([config(), keys])
    assert str(caught.value).startswith(message)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("path", ["torch.load", "numpy.load", "torch.hub.load_state_dict_from_url"])
def test_a_function_is_not_called_for_a_head(path: str, tmp_path: Path) -> None:
    head = {"class_path": path, "init_args": {"f": str(tmp_path / "evil.pt"), "weights_only": False}}
    with pytest.raises(UsageError) as caught:
        run_config(config(model=config()["model"] | {"head": head}))
    assert str(caught.value).startswith("model.head: ")
    with pytest.raises(UsageError, match=rf"model\.head: .*{path}"):
        run_config(config(model=config()["model"] | {"head": path}))


def test_our_settings_are_not_those_of_other_parsers(stranger: str) -> None:
    from jsonargparse._common import get_parsing_setting

    before = get_parsing_setting("import_path_verdicts")
    run_config(config(loss={"class_path": f"{stranger}.Loss"}))
    assert get_parsing_setting("import_path_verdicts") == before


def test_a_run_does_not_bring_its_code(stranger: str, canary: Path, tmp_path: Path) -> None:
    run = tmp_path / "path"  # the folder that Python finds the module in
    tiny.write(run / "config.yaml", config(loss={"class_path": f"{stranger}.Loss"}))
    (run / "environment.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match=rf"loss: {stranger} lies in the run's own folder"):
        read_config(run)
    with pytest.raises(UsageError, match=rf"loss: {stranger} lies in the run's own folder"):
        run_config(run / "config.yaml")
    assert not canary.exists()
    (run / "environment.json").unlink()  # a person's folder with a config beside a module of theirs
    assert read_config(run).loss.class_path == f"{stranger}.Loss"


def test_inside_a_run_no_file_stands_in_for_a_library(canary: Path, tmp_path: Path) -> None:
    tiny.write(tmp_path / "config.yaml", config(loss={"class_path": "evil.Loss"}))
    (tmp_path / "environment.json").write_text("{}", encoding="utf-8")
    for name in ("evil", "yaml", "torch", "jsonargparse", "timm"):
        (tmp_path / f"{name}.py").write_text(_STRANGER.format(canary=str(canary)), encoding="utf-8")
    command = [sys.executable, "-m", "closegap", "evaluate", ".", "--out", "test.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("closegap: loss: evil lies in the run's own folder")
    assert not canary.exists()


def test_a_run_is_loaded_with_what_is_trusted_alone(stranger: str, canary: Path, tmp_path: Path) -> None:
    hidden = {"class_path": "closegap.models.MLPHead", "init_args": {"hidden": f"{stranger}.Nothing"}}
    for head in (f"{stranger}.Head", hidden):
        run = tmp_path / f"run-{type(head).__name__}"
        run.mkdir()
        tiny.write(run / "config.yaml", config(model=config()["model"] | {"head": head}))
        with pytest.raises(Exception, match=r"not trusted|head") as caught:
            load(run)
        assert "\n" not in str(caught.value)
        assert not canary.exists()
