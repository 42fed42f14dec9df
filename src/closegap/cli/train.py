"""closegap train: from a config to a trained run, or on from where one was stopped."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from jsonargparse import Namespace

from closegap.cli.arguments import VerbHelp, free_folder
from closegap.cli.console import Bars, say
from closegap.distributed import leave
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.evaluation.compare import Result, compare
from closegap.metrics.standard import standard_metrics
from closegap.report.page import write_comparison
from closegap.runs.log import read_metrics
from closegap.runs.run import CONFIG, build, parse_run, read_config, run_parser, save_config
from closegap.training.trainer import Trainer

_DESCRIPTION = """Train a run.

  closegap train --config configs/roco-small.yaml --data.root ROCO --out runs/a
  closegap train --config configs/roco-small.yaml --config configs/arms/clip-fixed.yaml --seed 1 --train.lr 3e-4
  closegap train --resume runs/a

The run's folder gets config.yaml, environment.json, skipped.csv, metrics.jsonl, checkpoints/ and report.html."""


def main(arguments: Sequence[str]) -> None:
    """Train a run."""
    if any(argument.partition("=")[0] == "--resume" for argument in arguments):
        folder = _resumed(arguments)
        config = read_config(folder)
    else:
        parser = run_parser(prog="closegap train", description=_DESCRIPTION, formatter_class=VerbHelp)
        parser.add_argument("--out", type=Path | None, default=None, help="the run's folder; default runs/ARM-seedN")
        parser.add_argument("--resume", type=Path | None, default=None, help="go on with the run of this folder")
        config = parse_run(arguments, parser)
        folder = config.pop("out") or Path("runs") / f"{config.arm or 'run'}-seed{config.seed}"
        config.pop("resume")
        free_folder(folder, CONFIG, f"go on with `closegap train --resume {folder}`, or choose another --out")
    train_run(config, folder)
    leave()


def train_run(config: Namespace, folder: Path, title: str = "training") -> None:
    """Train into `folder`, on from its newest checkpoint if there is one; then write the run's report."""
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


def _write_report(trainer: Trainer, embeddings: tuple[EmbeddingSet, EmbeddingSet], arm: str, seed: int) -> Path:
    """The run on its validation split: before training and as it is judged."""
    before, after = embeddings
    results = [Result("before training", seed, before), Result(arm, seed, after)]
    comparison = compare(results, data={"split": "validation"}, metrics=standard_metrics("quick"))
    history = {arm: [read_metrics(trainer.folder / "metrics.jsonl")]}
    cases, kinds = trainer.validation_split.cases, trainer.cases.kinds
    return write_comparison(comparison, trainer.folder, arm, cases, kinds, history)


def _resumed(arguments: Sequence[str]) -> Path:
    parts = [part for argument in arguments for part in argument.split("=", 1)]
    if len(parts) != 2 or parts[0] != "--resume":
        raise UsageError("--resume RUN stands alone: a run goes on with its own config; start a new run to change it")
    return Path(parts[1])
