"""Configs from what a program has, and the overlays of captioning."""

from pathlib import Path
from typing import Any

import pytest
from tests.training.config import write_config

from closegap.caption import Captioning
from closegap.errors import UsageError
from closegap.runs.config import read_config, run_config, save_config
from closegap.runs.objective import Objective
from closegap.runs.run import build
from closegap.training.alignment import Alignment

_CONFIGS = Path(__file__).parents[2] / "configs"


def _mapping(**keys: Any) -> dict[str, Any]:
    encoder = {"class_path": "closegap.models.CodeSetEncoder", "init_args": {"dim": 8, "buckets": 16}}
    data = {"class_path": "closegap.phantom.Phantoms", "init_args": {"cases": 8, "size": 32}}
    return {"data": data, "model": {"encoders": {"a": encoder, "b": encoder}, "dim": 4}, **keys}


def test_a_mapping_files_and_a_parsed_config_say_the_same(tmp_path: Path) -> None:
    path = write_config(tmp_path, steps=7)
    read = run_config(path)
    assert (read.seed, read.train.steps, read.arm) == (3, 7, "tiny")
    later = run_config([path, {"arm": "later", "train": {"steps": 9}}], ["--train.lr", "0.5"])
    assert (later.seed, later.train.steps, later.arm, later.train.lr) == (3, 9, "later", 0.5)
    again = run_config(later, ["--seed", "4"])
    assert (again.seed, again.train.steps, again.train.lr) == (4, 9, 0.5)
    save_config(again, tmp_path / "run")
    assert run_config(read_config(tmp_path / "run")) == run_config(again)
    given = run_config(_mapping(train={"steps": 2}, data=_mapping()["data"]))
    assert given.train.steps == 2


def test_what_is_no_config_is_one_line(tmp_path: Path) -> None:
    for config, message in (
        (tmp_path / "nowhere.yaml", "nowhere.yaml: no such file; --config expects a YAML file"),
        ({"nonsense": 1}, "nonsense: no such key; there are data, checks, model, loss, objective, train, seed, arm"),
        (_mapping(train={"stepps": 1}), "train.stepps: no such key; did you mean train.steps?"),
    ):
        with pytest.raises(UsageError) as caught:
            run_config(config)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def _objective(*layers: Any, overrides: tuple[str, ...] = ()) -> Objective:
    return build(run_config([_mapping(), *layers], overrides)).objective


def test_a_run_aligns_unless_its_config_names_another_objective() -> None:
    assert _objective() == Alignment()
    assert _objective().moves_model
    assert _objective().next_step(Path("run")) is None


def test_captioning_is_laid_over_a_run_and_an_arm_over_captioning() -> None:
    base = {"objective": {"class_path": "closegap.training.alignment.Alignment"}}  # as a run's folder has it
    captioning = _CONFIGS / "captioning.yaml"
    found = _objective(base, captioning, overrides=("--objective.init_args.noise", "1.0"))
    assert isinstance(found, Captioning)
    assert (found.vocabulary, found.max_tokens, found.condition, found.noise) == (3000, 40, "pairs", 1.0)
    found = _objective(base, captioning, _CONFIGS / "arms" / "captions-text.yaml", overrides=("--objective.noise", "2"))
    assert isinstance(found, Captioning)
    assert (found.vocabulary, found.condition, found.noise, found.moves_model) == (3000, "text", 2.0, True)
    named = {"objective": {"class_path": "closegap.caption.Captioning", "init_args": {"model_from": "run"}}}
    found = _objective(base, captioning, _CONFIGS / "arms" / "captions-pairs.yaml", named)
    assert isinstance(found, Captioning)
    assert (found.vocabulary, found.condition, found.model_from, found.moves_model) == (
        3000,
        "pairs",
        Path("run"),
        False,
    )
    assert found.next_step(Path("run")) == "write captions with `closegap caption run --out DIR`"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": -1}, "objective.noise: -1.0 given, expected a number from 0 to 1000000"),
        ({"text": "image"}, "objective.image and objective.text are both 'image'; name two modalities"),
        ({"weight": 0}, "objective.weight: 0.0 given, expected a number above 0, at most 1000000"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        _objective(_CONFIGS / "captioning.yaml", {"objective": {"init_args": options}})
    assert message in str(caught.value)
