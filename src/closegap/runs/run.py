"""A run: its config, what the config builds, and its folder."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from closegap.caption import Captioning
from closegap.data import Checks, Source
from closegap.distributed import world_size
from closegap.errors import ClosegapError, UsageError, needs
from closegap.files import write_text
from closegap.losses import GapClosing, Loss
from closegap.models.model import Model
from closegap.runs.checkpoint import checkpoint_path, checkpoints, read_progress
from closegap.runs.messages import check_config_file, parse_message
from closegap.runs.study_folder import not_a_run
from closegap.runs.training import Training

with needs("train"):
    from accelerate.utils import set_seed

CONFIG = "config.yaml"
TOKENIZER = "tokenizer"
_PACKAGES = ("closegap", "torch", "torchvision", "timm", "transformers", "accelerate", "numpy", "safetensors")


@dataclass(frozen=True)
class Run:
    """What a config builds.

    Args:
        data: where cases come from.
        checks: what is done about broken rows and leaks.
        model: towers, heads, temperature.
        loss: what is minimised.
        train: how.
        seed: of everything random.
        arm: the name that runs of one setting share; seeds of one arm are averaged in comparisons.
        captioning: the decoder of captions; None trains none.
    """

    data: Source
    checks: Checks
    model: Model
    loss: Loss
    train: Training
    seed: int
    arm: str
    captioning: Captioning | None = None


def run_parser(**options: Any) -> ArgumentParser:
    """The parser of run configs: one YAML file or several, later ones winning, with dotted overrides after them."""
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False, **options)
    parser.add_argument("--config", action="config", help="a YAML file; give several, and later ones win")
    parser.add_argument("--data", type=Source, required=True, help="where cases come from, by class path")
    parser.add_argument("--checks", type=Checks, default=Checks(), help="what is done about broken rows and leaks")
    parser.add_class_arguments(Model, "model", help="towers, heads, temperature")
    parser.add_argument("--loss", type=Loss, default={"class_path": _path(GapClosing)}, help="by class path")
    parser.add_argument("--captioning", type=Captioning, default=Captioning(), help="a decoder that writes captions")
    parser.add_argument("--train", type=Training, default=Training(), help="how the model is trained")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument(
        "--arm", type=str, default="", help="name of the setting in tables; seeds of one arm are averaged"
    )
    return parser


def parse_run(arguments: Sequence[str], parser: ArgumentParser | None = None) -> Namespace:
    """A run's config from command-line arguments.

    Raises:
        UsageError: an unknown key, a value of the wrong type, a missing file; one line.
    """
    parser = parser or run_parser()
    for path in _config_files(arguments):
        check_config_file(path)
    try:
        return parser.parse_args(list(arguments))
    except (ArgumentError, TypeError, ValueError) as error:
        raise UsageError(parse_message(error, parser.get_defaults().keys())) from error


def _config_files(arguments: Sequence[str]) -> list[Path]:
    """What `--config FILE` and `--config=FILE` name."""
    apart = [Path(value) for option, value in pairwise(arguments) if option == "--config"]
    joined = [Path(found.removeprefix("--config=")) for found in arguments if found.startswith("--config=")]
    return apart + joined


def build(config: Namespace) -> Run:
    """Seed everything random, then build what the config names; equal configs build equal weights."""
    set_seed(config.seed)
    built = run_parser().instantiate(config)
    captioning = None if built.captioning.decoder is None else built.captioning
    return Run(built.data, built.checks, built.model, built.loss, built.train, built.seed, built.arm, captioning)


def save_config(config: Namespace, folder: Path) -> None:
    """Write the run's config, overrides included."""
    parser = run_parser()
    chosen = config.clone()
    chosen.pop("config", None)
    write_text(folder / CONFIG, parser.dump(chosen, skip_unset=False))  # null may not be the default


def read_config(folder: Path, overrides: Sequence[str] = ()) -> Namespace:
    """The config of a run folder, with overrides.

    Raises:
        ClosegapError: the folder is no run.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ClosegapError(f"{folder}: {not_a_run(folder)}")
    return parse_run(["--config", str(path), *overrides])


def chosen_checkpoint(folder: Path, keep: str) -> Path:
    """The checkpoint that a run is judged by: the best or the last.

    Raises:
        ClosegapError: there is none yet.
    """
    found = checkpoints(folder / "checkpoints")
    if not found:
        raise ClosegapError(f"{folder}: no checkpoint yet; train on with `closegap train --resume {folder}`")
    best = checkpoint_path(folder / "checkpoints", read_progress(found[-1]).best_step)
    return best if keep == "best" and best in found else found[-1]


def environment(seed: int) -> dict[str, Any]:
    """Versions, machine and seed of a run."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "git": _git_hash(),
        "seed": seed,
        "processes": world_size(),
        "command": sys.argv,
    }


def _git_hash() -> str | None:
    """Commit of the working folder, if it is a repository."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
