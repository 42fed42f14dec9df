"""A run's config: from files, dotted options or a mapping, and back to the run's folder."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from jsonargparse import ArgumentParser, Namespace

from closegap.bounds import Seed
from closegap.data import Checks, Source
from closegap.errors import ClosegapError
from closegap.files import write_text
from closegap.losses import GapClosing, Loss
from closegap.models.model import Model
from closegap.runs.config_file import read_config_file
from closegap.runs.imports import only_named_imports
from closegap.runs.objective import Objective
from closegap.runs.parsing import parsed
from closegap.runs.study_folder import not_a_run
from closegap.runs.training import Training, plain

CONFIG = "config.yaml"
_ALIGNMENT = "closegap.training.alignment.Alignment"

Layer: TypeAlias = Mapping[str, Any] | Path | str
"""A mapping, or the path of a YAML file."""

Config: TypeAlias = Layer | Sequence[Layer] | Namespace
"""A mapping, the path of a YAML file, several of them of which later ones win, or what `parse_run` returned."""


def run_parser(**options: Any) -> ArgumentParser:
    """The parser of run configs: one YAML file or several, later ones winning, with dotted overrides after them."""
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False, **options)
    parser.add_argument("--config", action="config", help="a YAML file; give several, and later ones win")
    parser.add_argument("--data", type=Source, required=True, help="where cases come from, by class path")
    parser.add_argument("--checks", type=Checks, default=Checks(), help="what is done about broken rows and leaks")
    parser.add_class_arguments(Model, "model", help="towers, heads, temperature")
    parser.add_argument("--loss", type=Loss, default={"class_path": _path(GapClosing)}, help="by class path")
    parser.add_argument(
        "--objective", type=Objective, default={"class_path": _ALIGNMENT}, help="what is minimised, by class path"
    )
    parser.add_argument("--train", type=Training, default=Training(), help="how the model is trained")
    parser.add_argument("--seed", type=Seed, default=0, help="of everything random")
    parser.add_argument(
        "--arm", type=str, default="", help="name of the setting in tables; seeds of one arm are averaged"
    )
    parser.add_argument(
        "--control", type=str, default="", help="the arm that this one is compared with; by default the first"
    )
    return parser


def parse_run(arguments: Sequence[str], parser: ArgumentParser | None = None, ignored: Sequence[str] = ()) -> Namespace:
    """A run's config from command-line arguments.

    Args:
        arguments: from the command line.
        parser: of the verb; by default that of a run's config alone.
        ignored: sections of the files that are not looked at, so that nothing is imported which only they name.

    Raises:
        UsageError: an unknown key, a value of the wrong type, a missing file; one line.
    """
    files = _config_files(arguments)
    layers = [_without(read_config_file(path), ignored) for path in files]
    with only_named_imports(layers, arguments, files):
        return _parsed(_inlined(arguments, ignored) if ignored else arguments, parser or run_parser(), layers)


def run_config(config: Config, overrides: Sequence[str] = ()) -> Namespace:
    """A run's config from what a program has.

    Args:
        config: see `Config`.
        overrides: dotted options on top (`["--train.steps", "20"]`).

    Raises:
        UsageError: see `parse_run`.
    """
    if isinstance(config, Namespace):
        config = _dumped(config)
    given = [config] if isinstance(config, Mapping | Path | str) else list(config)
    layers = [plain(layer) if isinstance(layer, Mapping) else read_config_file(Path(layer)) for layer in given]
    arguments = [f"--config={json.dumps(layer)}" for layer in layers]  # JSON is YAML
    with only_named_imports(layers, overrides, [Path(layer) for layer in given if not isinstance(layer, Mapping)]):
        return _parsed([*arguments, *overrides], run_parser(), layers)


def save_config(config: Namespace, folder: Path) -> None:
    """Write the run's config, overrides included."""
    write_text(folder / CONFIG, config_text(config))


def config_text(config: Namespace) -> str:
    """What config.yaml holds."""
    chosen = config.clone()
    chosen.pop("config", None)
    text: str = run_parser().dump(chosen, skip_unset=False)  # null may not be the default
    return text


def read_config(folder: Path, overrides: Sequence[str] = ()) -> Namespace:
    """The config of a run folder, with overrides.

    Raises:
        ClosegapError: the folder is no run.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ClosegapError(f"{folder}: {not_a_run(folder)}")
    return parse_run(["--config", str(path), *overrides])


def _parsed(arguments: Sequence[str], parser: ArgumentParser, layers: Sequence[Mapping[str, Any]]) -> Namespace:
    return parsed(parser, arguments, layers, list(parser.get_defaults().keys()))


def _dumped(config: Namespace) -> Mapping[str, Any]:
    chosen = config.clone()
    chosen.pop("config", None)
    found: Mapping[str, Any] = json.loads(run_parser().dump(chosen, format="json", skip_unset=False))
    return found


def _inlined(arguments: Sequence[str], ignored: Sequence[str]) -> list[str]:
    """The arguments with what is in their config files, less some sections, in place of the files."""
    found, pending = list[str](), list(arguments)
    while pending:
        option, joined, file = pending.pop(0).partition("=")
        if option != "--config":
            found.append(f"{option}{joined}{file}")
            continue
        layer = _without(read_config_file(Path(file if joined else pending.pop(0))), ignored)
        found.append(f"--config={json.dumps(layer, default=str)}")
    return found


def _without(layer: Mapping[str, Any], ignored: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in layer.items() if key not in ignored}


def _config_files(arguments: Sequence[str]) -> list[Path]:
    """What `--config FILE` and `--config=FILE` name."""
    apart = [Path(value) for option, value in pairwise(arguments) if option == "--config"]
    joined = [Path(found.removeprefix("--config=")) for found in arguments if found.startswith("--config=")]
    return apart + joined


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
