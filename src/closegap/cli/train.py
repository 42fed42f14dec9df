"""closegap train: from a config to a trained run, or on from where one was stopped."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser

from closegap.bounds import NonNegativeInt, PositiveInt, Rate, Seed
from closegap.cli.arguments import add_no_cases, verb_parser
from closegap.cli.help import VerbHelp
from closegap.cli.sections import SECTIONS, answer_help, overview
from closegap.errors import UsageError

if TYPE_CHECKING:
    from closegap.training.train import Trained

_DESCRIPTION = """Train a run.

  closegap train --config configs/roco-small.yaml --data.root ROCO --out runs/a
  closegap train --config configs/roco-small.yaml --config configs/arms/clip-fixed.yaml --seed 1 --train.lr 3e-4
  closegap train --resume runs/a

The run's folder gets config.yaml, environment.json, skipped.csv, metrics.jsonl, checkpoints/ and report.html.

A config is trusted input, and so is a run's folder: the modules of the classes that they name are imported."""


def parser() -> ArgumentParser:
    """What training takes, and of the config what is given most; its classes are not imported for help."""
    found = verb_parser("train", _DESCRIPTION)
    found.epilog = overview("train", list(SECTIONS))
    found.add_argument("--config", type=Path, help="a YAML file; give several, and later ones win")
    _add_own(found)
    found.add_argument("--arm", type=str, help="name of the setting in tables; seeds of one arm are averaged")
    found.add_argument("--seed", type=Seed, default=0, help="of everything random")
    often = found.add_argument_group("keys of the config that are given most")
    often.add_argument("--data.root", type=Path, help="the data set's folder, where the config names none")
    often.add_argument("--train.steps", type=NonNegativeInt, help="optimisation steps")
    often.add_argument("--train.batch_size", type=PositiveInt, help="cases per step, over all processes")
    often.add_argument("--train.lr", type=Rate, help="peak learning rate of what is trained")
    often.add_argument("--loss", type=str, help="what is minimised, by class path")
    return found


def main(arguments: Sequence[str]) -> None:
    """Train a run."""
    answer_help(arguments, parser(), list(SECTIONS))
    from closegap.api.bars import Bars
    from closegap.cli.console import say
    from closegap.distributed import leave
    from closegap.report.training_page import write_training_report
    from closegap.runs.checkpoint import checkpoints
    from closegap.runs.config import CONFIG, parse_run, run_parser
    from closegap.runs.folder import CHECKPOINTS
    from closegap.training.claim import claimed
    from closegap.training.train import resume, train

    resumed = any(argument.partition("=")[0] == "--resume" for argument in arguments)
    if resumed:
        folder = _resumed(arguments)
    else:
        reader = run_parser(prog="closegap train", formatter_class=VerbHelp)
        _add_own(reader)
        config = parse_run(arguments, reader)
        folder = config.pop("out") or Path("runs") / f"{config.arm or 'run'}-seed{config.seed}"
        config.pop("resume")
        config.train.show_cases &= not config.pop("no_cases")
    with claimed(folder) as processes:
        if resumed and processes.main and (folder / CONFIG).is_file() and not checkpoints(folder / CHECKPOINTS):
            say(f"{folder}: has no checkpoint yet, and starts again")
        with Bars() as bars:
            trained = resume(folder, watcher=bars) if resumed else train(config, folder, watcher=bars)
        written = write_training_report(trained)
    say_trained(trained, None if written is None else written.page)
    leave()


def say_trained(trained: "Trained", page: Path | None) -> None:
    """Where the run is, and what may be done with it."""
    from closegap.cli.console import say

    advice = trained.run.objective.next_step(trained.folder)
    if trained.main and advice is not None:
        say(f"trained: {trained.folder}; {advice}")
    if page is not None:
        say(f"report: {page}")


def _resumed(arguments: Sequence[str]) -> Path:
    parts = [part for argument in arguments for part in argument.split("=", 1)]
    if len(parts) != 2 or parts[0] != "--resume":
        raise UsageError("--resume RUN stands alone: a run goes on with its own config; start a new run to change it")
    return Path(parts[1])


def _add_own(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path | None, default=None, help="the run's folder; default runs/ARM-seedN")
    parser.add_argument("--resume", type=Path | None, default=None, help="go on with the run of this folder")
    add_no_cases(parser)
