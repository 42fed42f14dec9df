"""closegap train: from a config to a trained run, or on from where one was stopped."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from closegap.cli.arguments import free_folder, verb_parser
from closegap.cli.help import VerbHelp
from closegap.cli.sections import SECTIONS, answer_help, overview
from closegap.errors import UsageError

if TYPE_CHECKING:
    from closegap.embeddings.embedding_set import EmbeddingSet
    from closegap.training.trainer import Trainer

_DESCRIPTION = """Train a run.

  closegap train --config configs/roco-small.yaml --data.root ROCO --out runs/a
  closegap train --config configs/roco-small.yaml --config configs/arms/clip-fixed.yaml --seed 1 --train.lr 3e-4
  closegap train --resume runs/a

The run's folder gets config.yaml, environment.json, skipped.csv, metrics.jsonl, checkpoints/ and report.html."""


def parser() -> ArgumentParser:
    """What training takes, and of the config what is given most; its classes are not imported for help."""
    found = verb_parser("train", _DESCRIPTION)
    found.epilog = overview("train", list(SECTIONS))
    found.add_argument("--config", type=Path, help="a YAML file; give several, and later ones win")
    _add_own(found)
    found.add_argument("--arm", type=str, help="name of the setting in tables; seeds of one arm are averaged")
    found.add_argument("--seed", type=int, default=0, help="of everything random")
    often = found.add_argument_group("keys of the config that are given most")
    often.add_argument("--data.root", type=Path, help="the data set's folder, where the config names none")
    often.add_argument("--train.steps", type=int, help="optimisation steps")
    often.add_argument("--train.batch_size", type=int, help="cases per step, over all processes")
    often.add_argument("--train.lr", type=float, help="peak learning rate of what is trained")
    often.add_argument("--loss", type=str, help="what is minimised, by class path")
    return found


def main(arguments: Sequence[str]) -> None:
    """Train a run."""
    answer_help(arguments, parser(), list(SECTIONS))
    from closegap.distributed import leave
    from closegap.runs.run import CONFIG, parse_run, read_config, run_parser

    if any(argument.partition("=")[0] == "--resume" for argument in arguments):
        folder = _resumed(arguments)
        config = read_config(folder)
    else:
        reader = run_parser(prog="closegap train", formatter_class=VerbHelp)
        _add_own(reader)
        config = parse_run(arguments, reader)
        folder = config.pop("out") or Path("runs") / f"{config.arm or 'run'}-seed{config.seed}"
        config.pop("resume")
        free_folder(folder, CONFIG, f"go on with `closegap train --resume {folder}`, or choose another --out")
    train_run(config, folder)
    leave()


def train_run(config: Namespace, folder: Path, title: str = "training") -> None:
    """Train into `folder`, on from its newest checkpoint if there is one; then write the run's report."""
    from closegap.cli.console import Bars, say
    from closegap.runs.run import build, save_config
    from closegap.training.trainer import Trainer

    run = build(config)
    with Bars(title) as bars:
        trainer = Trainer(run, folder, bars)
        new = not folder.exists()
        if trainer.main:
            save_config(config, folder)
        try:
            trainer.train()
        except UsageError:
            if trainer.main and new:  # what was asked wrongly is asked again, and the folder must be free for it
                shutil.rmtree(folder)
            raise
    judged = trainer.validation_split.cases and not (run.captioning and run.captioning.frozen)
    embeddings = trainer.validation_embeddings() if judged else None
    if not trainer.main:
        return
    if run.captioning is not None:
        say(f"trained: {folder}; write captions with `closegap caption {folder} --out DIR`")
    if embeddings is not None:
        say(f"report: {_write_report(trainer, embeddings, run.arm or folder.name, run.seed)}")


def train_all(plans: Mapping[Path, Namespace]) -> None:
    """Train what is not trained yet: folder to config."""
    for number, (folder, config) in enumerate(plans.items(), start=1):
        train_run(config, folder, f"{number}/{len(plans)} {config.arm}, seed {config.seed}")


def slug(arm: str) -> str:
    """An arm's name as part of a folder's.

    Example:
        >>> slug("CLIP + ATP: text alone")
        'clip-atp-text-alone'
    """
    return re.sub(r"[^a-z0-9.]+", "-", arm.lower()).strip("-")


def _write_report(trainer: "Trainer", embeddings: "tuple[EmbeddingSet, EmbeddingSet]", arm: str, seed: int) -> Path:
    """The run on its validation split: before training and as it is judged."""
    from closegap.evaluation.compare import Result, compare
    from closegap.evaluation.measures import QUICK
    from closegap.report.page import write_comparison
    from closegap.runs.log import read_metrics

    before, after = embeddings
    results = [Result("before training", seed, before), Result(arm, seed, after)]
    comparison = compare(results, data={"split": "validation"}, families=QUICK)
    history = {arm: [read_metrics(trainer.folder / "metrics.jsonl")]}
    return write_comparison(comparison, trainer.folder, arm, trainer.validation_split.cases, history)


def _resumed(arguments: Sequence[str]) -> Path:
    parts = [part for argument in arguments for part in argument.split("=", 1)]
    if len(parts) != 2 or parts[0] != "--resume":
        raise UsageError("--resume RUN stands alone: a run goes on with its own config; start a new run to change it")
    return Path(parts[1])


def _add_own(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path | None, default=None, help="the run's folder; default runs/ARM-seedN")
    parser.add_argument("--resume", type=Path | None, default=None, help="go on with the run of this folder")
