"""A finished run, or a saved model, as a model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser

from closegap.bounds import Seed
from closegap.errors import ClosegapError
from closegap.models.folder import DESCRIPTION
from closegap.models.model import Model
from closegap.models.named import is_named, named_model
from closegap.models.recipe import trusted as expect_trusted
from closegap.models.weights import is_hub_name
from closegap.runs.checkpoint import load_model
from closegap.runs.config import CONFIG
from closegap.runs.config_file import read_config_file
from closegap.runs.folder import chosen_checkpoint
from closegap.runs.imports import class_paths, only_named_imports
from closegap.runs.parsing import parsed
from closegap.runs.training import Training


def load(folder: Path | str, trusted: Sequence[str] = ()) -> Model:
    """The model of a run, of a saved folder, of a hub or of another library, in evaluation mode, on the CPU.

    Of a run, the config's `model` is built and given the weights of the checkpoint that the run is judged by; its data
    are not needed. Nothing is imported that the folder names, but closegap's own parts and what is trusted here.

    Args:
        folder: the run's or the model's; or, of another library, a name as `named_model` takes it. A string that is no
            folder but reads as one may be the name of a repository of the Hugging Face hub, "organisation/name", or
            "organisation/name@revision". A `Path` never is.
        trusted: class paths of further encoders, heads, temperatures (`my_package.MyEncoder`).

    Raises:
        UsageError: a part that is not trusted.
        ClosegapError: neither a run nor a model, a damaged one, or a name that no hub gives.
    """
    if is_named(str(folder)):
        return named_model(str(folder))
    if isinstance(folder, str) and not Path(folder).exists() and is_hub_name(folder):
        from closegap.models.hub import fetched

        folder = fetched(folder)
    folder = Path(folder)
    if (folder / DESCRIPTION).is_file():
        return Model.from_pretrained(folder, trusted)
    if (folder / CONFIG).is_file():
        return _model_of_run(folder, trusted)
    what = f"neither a run (no {CONFIG}) nor a model (no {DESCRIPTION})" if folder.is_dir() else "no such folder"
    raise ClosegapError(f"{folder}: {what}; give what `closegap train --out` or model.save_pretrained made")


def _model_of_run(folder: Path, trusted: Sequence[str]) -> Model:
    path = folder / CONFIG
    config = read_config_file(path)
    section = config.get("model")
    if not isinstance(section, Mapping):
        raise ClosegapError(f"{path}: no model in it; expected the config of a run")
    for name in class_paths({"model": section}):
        expect_trusted(name, trusted, str(path))
    parser = _parser()
    needed: dict[str, Any] = {key: config[key] for key in ("model", "seed", "train") if key in config}
    with only_named_imports([needed]):
        given = parsed(parser, [f"--config={json.dumps(needed)}"], [needed], list(parser.get_defaults().keys()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(given.seed)  # frozen towers of random weights are those of the run
        model: Model = parser.instantiate(given).model
    load_model(chosen_checkpoint(folder, given.train.keep), model)
    return model.eval()


def _parser() -> ArgumentParser:
    """Of as much of a run's config as its model needs; the rest may name what is not trusted."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(Model, "model")
    parser.add_argument("--seed", type=Seed, default=0)
    parser.add_argument("--train", type=Training, default=Training())
    return parser
