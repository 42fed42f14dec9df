"""A finished run, or a saved model, as a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace

from closegap.errors import ClosegapError
from closegap.models.folder import DESCRIPTION
from closegap.models.model import Model
from closegap.models.recipe import trusted as expect_trusted
from closegap.runs.checkpoint import load_model
from closegap.runs.config import CONFIG
from closegap.runs.folder import chosen_checkpoint
from closegap.runs.imports import class_paths, only_named_imports
from closegap.runs.messages import check_config_file, parse_message
from closegap.runs.training import Training


def load(folder: Path | str, trusted: Sequence[str] = ()) -> Model:
    """The model of a run or of a folder that `save_pretrained` wrote, in evaluation mode, on the CPU.

    Of a run, the config's `model` is built and given the weights of the checkpoint that the run is judged by; its data
    are not needed. Nothing is imported that the folder names, but closegap's own parts and what is trusted here.

    Args:
        folder: the run's or the model's.
        trusted: class paths of further encoders, heads, temperatures (`my_package.MyEncoder`).

    Raises:
        UsageError: a part that is not trusted.
        ClosegapError: neither a run nor a model, or a damaged one.
    """
    folder = Path(folder)
    if (folder / DESCRIPTION).is_file():
        return Model.from_pretrained(folder, trusted)
    if (folder / CONFIG).is_file():
        return _model_of_run(folder, trusted)
    what = f"neither a run (no {CONFIG}) nor a model (no {DESCRIPTION})" if folder.is_dir() else "no such folder"
    raise ClosegapError(f"{folder}: {what}; give what `closegap train --out` or model.save_pretrained made")


def _model_of_run(folder: Path, trusted: Sequence[str]) -> Model:
    path = folder / CONFIG
    check_config_file(path)
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    section = config.get("model")
    if not isinstance(section, Mapping):
        raise ClosegapError(f"{path}: no model in it; expected the config of a run")
    for name in class_paths({"model": section}):
        expect_trusted(name, trusted, str(path))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.get("seed", 0))  # frozen towers of random weights are those of the run
        model = _build(section)
    keep = (config.get("train") or {}).get("keep", Training.keep)
    load_model(chosen_checkpoint(folder, keep), model)
    return model.eval()


def _build(section: Mapping[str, Any]) -> Model:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Model, "model")
    try:
        with only_named_imports([{"model": section}]):
            built: Namespace = parser.instantiate(parser.parse_object({"model": dict(section)}))
    except (ArgumentError, TypeError, ValueError) as error:
        raise ClosegapError(parse_message(error, parser.get_defaults().keys())) from error
    model: Model = built.model
    return model
