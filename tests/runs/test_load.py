import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from tests.cli import tiny

import closegap
from closegap.cli import main
from closegap.errors import ClosegapError, UsageError
from closegap.models import MLPHead, SmallTextEncoder
from closegap.runs.open import open_run

TEXTS = ["no effusion", "a mass in the left lung"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run with a frozen tower of random weights, an MLP as head and a scheduled temperature."""
    folder = tmp_path_factory.mktemp("load")
    config = tiny.config(tiny.phantoms(), seed=5)
    frozen = {"name": "test_vit", "weights": "random", "size": 32}
    config["model"]["encoders"]["image"] = {"class_path": "closegap.models.TimmImageEncoder", "init_args": frozen}
    config["model"]["head"] = {"class_path": "closegap.models.MLPHead", "init_args": {"hidden": 6}}
    points = [[0.0, 0.5], [1.0, 0.2]]
    schedule = {"class_path": "closegap.models.ScheduledTemperature", "init_args": {"points": points}}
    config["model"]["temperature"] = schedule
    config["train"] |= {"steps": 6, "validate_every": 2, "checkpoint_every": 2, "keep": "last"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOSEGAP_CACHE", str(folder / "cache"))
        path = tiny.write(folder / "config.yaml", config)
        assert main(["train", "--config", str(path), "--out", str(folder / "run")]) == 0
        yield folder / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy whose data have gone."""
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    _edit(folder, lambda config: config["data"].update(class_path="no_such_package.Source"))
    return folder


def _edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(config)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def test_a_run_is_loaded_without_its_data(trained: Path, run: Path) -> None:
    opened = open_run(trained)
    torch.manual_seed(9)
    drawn = torch.random.get_rng_state()
    model = closegap.load(str(run))
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert not model.training
    assert isinstance(model.heads["image"], MLPHead)
    expected = opened.run.model.state_dict()
    assert model.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())
    found, wanted = (each.embed(image=[Image.linear_gradient("L")], report=TEXTS) for each in (model, opened.run.model))
    assert all(torch.equal(found[name], wanted[name]) for name in found)
    assert model.temperature(1.0).item() == pytest.approx(0.2)


def test_the_checkpoint_is_the_one_that_the_run_is_judged_by(run: Path) -> None:
    _edit(run, lambda config: config["train"].update(keep="best"))
    best, checkpoints = closegap.load(run), sorted((run / "checkpoints").glob("step-*"))
    assert len(checkpoints) > 1
    shutil.rmtree(checkpoints[-1])
    _edit(run, lambda config: config["train"].update(keep="last"))
    last = closegap.load(run)
    assert best.modalities == last.modalities
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(ClosegapError, match="run: no checkpoint yet; train on with"):
        closegap.load(run)


def test_a_loaded_run_becomes_a_model_of_its_own(run: Path, tmp_path: Path) -> None:
    model = closegap.load(run)
    model.save_pretrained(tmp_path / "model")
    shutil.rmtree(run)
    found = closegap.load(tmp_path / "model")
    assert torch.equal(found.embed(report=TEXTS)["report"], model.embed(report=TEXTS)["report"])
    assert isinstance(found.encoder("report"), SmallTextEncoder)


def test_what_a_run_names_is_imported_where_it_is_trusted(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from pathlib import Path\nPath(__file__).with_suffix('.ran').touch()\n"
    source += "from closegap.models import LinearHead as Foreign\n"
    (tmp_path / "foreign_of_a_test.py").write_text(source)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    name = "foreign_of_a_test.Foreign"
    for part in ({"class_path": name}, name):
        _edit(run, lambda config, part=part: config["model"].update(head=part))  # type: ignore[misc]
        with pytest.raises(UsageError, match=rf"config\.yaml: names {name}, which is not trusted; if you trust it"):
            closegap.load(run)
    _edit(run, lambda config: config["model"].update(head=None, temperature="os.system"))
    with pytest.raises(UsageError, match=r"names os\.system, which is not trusted"):
        closegap.load(run)
    assert not (tmp_path / "foreign_of_a_test.ran").exists()
    _edit(run, lambda config: config["model"].update(head={"class_path": name}, temperature=None))
    with pytest.raises(ClosegapError, match="checkpoint of another model"):  # trusted, and built
        closegap.load(run, trusted=[name])
    assert (tmp_path / "foreign_of_a_test.ran").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.pop("model"), r"config\.yaml: no model in it; expected the config of a run"),
        (lambda config: config["model"].update(width=3), "model.width: no such key"),
        (lambda config: config["model"].update(dim=9), r"of another model \(.* is float32 \(8, \d+\), the config's"),
        (lambda config: config["model"].update(dim="wide"), "model.dim: 'wide' given, expected a whole number"),
        (
            lambda config: config["model"]["encoders"]["image"]["init_args"].update(size=64),
            "trained on a frozen image tower with other weights or preparation than the config's",
        ),
        (lambda config: config.update(seed=6), "trained on a frozen image tower with other weights or preparation"),
        (lambda config: config["model"]["encoders"].update(image="closegap.models.Nothing"), "Nothing"),
    ],
)
def test_a_config_that_does_not_fit_is_one_line(change: Callable[[Any], Any], message: str, run: Path) -> None:
    _edit(run, change)
    with pytest.raises(ClosegapError, match=message) as caught:
        closegap.load(run)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_neither_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ClosegapError, match=r"neither a run \(no config\.yaml\) nor a model \(no model\.json\); give what"
    ):
        closegap.load(tmp_path)
    with pytest.raises(ClosegapError, match="nothing: no such folder; give what `closegap train --out` or model"):
        closegap.load(tmp_path / "nothing")
