"""closegap train: from a config to a trained run, or on from where one was stopped."""

from collections.abc import Sequence
from pathlib import Path

from closegap.cli.arguments import free_folder
from closegap.cli.console import Bars, console
from closegap.cli.pages import write_run_report
from closegap.errors import UsageError
from closegap.train.run import CONFIG, build, parse_run, read_config, run_parser, save_config
from closegap.train.trainer import Trainer

_DESCRIPTION = """Train a run.

  closegap train --config configs/roco-small.yaml --data.root ROCO --out runs/a
  closegap train --config configs/roco-small.yaml --config configs/arms/clip.yaml --seed 1 --train.lr 3e-4
  closegap train --resume runs/a

The run's folder gets config.yaml, environment.json, skipped.csv, metrics.jsonl, checkpoints/, embeddings/, report.html."""


def main(arguments: Sequence[str]) -> None:
    """Train a run."""
    parser = run_parser(prog="closegap train", description=_DESCRIPTION)
    parser.add_argument("--out", type=Path | None, default=None, help="the run's folder; runs/ARM-seedN by default")
    parser.add_argument("--resume", type=Path | None, default=None, help="a run's folder: go on with its own config")
    if "--resume" in arguments or any(argument.startswith("--resume=") for argument in arguments):
        folder = _resumed(arguments)
        config = read_config(folder)
    else:
        config = parse_run(arguments, parser)
        folder = config.pop("out") or Path("runs") / f"{config.arm or 'run'}-seed{config.seed}"
        config.pop("resume", None)
        free_folder(folder, CONFIG, f"go on with `closegap train --resume {folder}`, or choose another --out")
    train_run(config, folder)


def train_run(config, folder: Path, title: str = "training") -> None:  # type: ignore[no-untyped-def]
    """Train what the config says into `folder`, on from its newest checkpoint if there is one; then report."""
    run = build(config)
    with Bars(title) as bars:
        trainer = Trainer(run, folder, bars)
        save_config(config, folder)
        trainer.train(resume=True)
    if trainer.main:
        report = write_run_report(trainer)
        console().print(f"report: {report}")


def _resumed(arguments: Sequence[str]) -> Path:
    rest = [part for argument in arguments for part in argument.split("=", 1)]
    if len(rest) != 2 or rest[0] != "--resume":
        raise UsageError("--resume RUN stands alone: a run goes on with its own config; start a new run to change it")
    return Path(rest[1])
