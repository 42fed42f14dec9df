"""closegap train: from a config to a trained run, or on from where one was stopped."""

from collections.abc import Sequence
from pathlib import Path

from closegap.cli.arguments import VerbHelp
from closegap.cli.console import Bars, say
from closegap.distributed import leave
from closegap.errors import UsageError
from closegap.report.training_page import write_training_report
from closegap.runs.config import parse_run, run_parser
from closegap.training.train import Trained, resume, train

_DESCRIPTION = """Train a run.

  closegap train --config configs/roco-small.yaml --data.root ROCO --out runs/a
  closegap train --config configs/roco-small.yaml --config configs/arms/clip-fixed.yaml --seed 1 --train.lr 3e-4
  closegap train --resume runs/a

The run's folder gets config.yaml, environment.json, skipped.csv, metrics.jsonl, checkpoints/ and report.html."""


def main(arguments: Sequence[str]) -> None:
    """Train a run."""
    if any(argument.partition("=")[0] == "--resume" for argument in arguments):
        folder = _resumed(arguments)
        with Bars() as bars:
            trained = resume(folder, watcher=bars)
    else:
        parser = run_parser(prog="closegap train", description=_DESCRIPTION, formatter_class=VerbHelp)
        parser.add_argument("--out", type=Path | None, default=None, help="the run's folder; default runs/ARM-seedN")
        parser.add_argument("--resume", type=Path | None, default=None, help="go on with the run of this folder")
        config = parse_run(arguments, parser)
        folder = config.pop("out") or Path("runs") / f"{config.arm or 'run'}-seed{config.seed}"
        config.pop("resume")
        with Bars() as bars:
            trained = train(config, folder, watcher=bars)
    say_trained(trained, write_training_report(trained))
    leave()


def say_trained(trained: Trained, page: Path | None) -> None:
    """Where the run is, and what may be done with it."""
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
