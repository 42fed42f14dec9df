"""From a config to a trained run, or on from where one was stopped."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jsonargparse import Namespace

from closegap.data import Case
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.kinds import Kind
from closegap.runs.config import CONFIG, Config, read_config, run_config, save_config
from closegap.runs.log import Nobody, Watcher
from closegap.runs.run import Run, build
from closegap.training.trainer import Trainer


@dataclass(frozen=True)
class Trained:
    """A run that was trained to its end.

    Args:
        folder: the run's: config.yaml, environment.json, skipped.csv, metrics.jsonl, checkpoints/.
        run: what was trained.
        cases: its validation cases.
        kinds: modality name to the kind of the cases' items.
        embeddings: of these cases before the first step and by the checkpoint that the run is judged by; None where
            there are no cases, or where training does not move them.
        main: whether this is the process that writes and speaks.
    """

    folder: Path
    run: Run
    cases: Sequence[Case]
    kinds: Mapping[str, Kind]
    embeddings: tuple[EmbeddingSet, EmbeddingSet] | None
    main: bool

    @property
    def arm(self) -> str:
        """The run's arm; without one, the folder's name."""
        return self.run.arm or self.folder.name


def train(config: Config, out: Path | str, *, overrides: Sequence[str] = (), watcher: Watcher | None = None) -> Trained:
    """Train a new run into a folder. On several processes all call this.

    Args:
        config: a mapping, the path of a YAML file or several of them, later ones winning, or a parsed config.
        out: the run's folder; it must not hold a run yet.
        overrides: dotted options on top of the config (`["--train.steps", "20"]`).
        watcher: who is told how it goes.

    Raises:
        UsageError: a config that is none, or a folder that holds a run.
        ClosegapError: data, model and objective do not fit, or a loss became infinite.
    """
    folder = Path(out)
    if (folder / CONFIG).exists():
        raise UsageError(
            f"{folder}: already holds {CONFIG}; go on with `closegap train --resume {folder}`, or choose another --out"
        )
    return train_into(folder, run_config(config, overrides), watcher)


def resume(folder: Path | str, *, watcher: Watcher | None = None) -> Trained:
    """Go on with a run from its newest checkpoint, with its own config; of a finished one nothing is left to do.

    Args:
        folder: the run's.
        watcher: who is told how it goes.

    Raises:
        ClosegapError: the folder is no run.
    """
    return train_into(Path(folder), read_config(Path(folder)), watcher)


def train_into(folder: Path, config: Namespace, watcher: Watcher | None = None, splits: Sequence[str] = ()) -> Trained:
    """Train into `folder`, on from its newest checkpoint if there is one.

    Args:
        folder: the run's.
        config: parsed.
        watcher: who is told how it goes.
        splits: what must have cases beside the training split, since something comes after training.
    """
    run = build(config)
    trainer = Trainer(run, folder, watcher or Nobody(), splits)
    new = not folder.exists()
    if trainer.main:
        save_config(config, folder)
    try:
        trainer.train()
    except UsageError:
        if trainer.main and new:  # what was asked wrongly is asked again, and the folder must be free for it
            shutil.rmtree(folder)
        raise
    cases = trainer.validation_split.cases
    judged = cases and run.objective.moves_model
    return Trained(
        folder, run, cases, trainer.cases.kinds, trainer.validation_embeddings() if judged else None, trainer.main
    )
