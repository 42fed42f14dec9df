"""From a config to a trained run, or on from where one was stopped."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jsonargparse import Namespace

from closegap.data import Case
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import ClosegapError, UsageError
from closegap.kinds import Kind
from closegap.lock import contents
from closegap.runs.config import CONFIG, Config, read_config, run_config, save_config
from closegap.runs.difference import difference
from closegap.runs.log import Nobody, Watcher
from closegap.runs.run import Run, build
from closegap.training.claim import claimed
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
        ClosegapError: data, model and objective do not fit, a loss became infinite, or the folder is in use.
    """
    return _train(Path(out), run_config(config, overrides), watcher, new=True)


def resume(folder: Path | str, *, watcher: Watcher | None = None) -> Trained:
    """Go on with a run from its newest checkpoint, with its own config; of a finished one nothing is left to do.

    Args:
        folder: the run's.
        watcher: who is told how it goes.

    Raises:
        ClosegapError: the folder is no run, or in use.
    """
    return train_into(Path(folder), read_config(Path(folder)), watcher)


def train_into(folder: Path, config: Namespace, watcher: Watcher | None = None, splits: Sequence[str] = ()) -> Trained:
    """Train into `folder`, on from its newest checkpoint if there is one.

    Args:
        folder: the run's.
        config: parsed.
        watcher: who is told how it goes.
        splits: what must have cases beside the training split, since something comes after training.

    Raises:
        UsageError: the folder holds a run with another config.
        ClosegapError: data, model and objective do not fit, a loss became infinite, or the folder is in use.
    """
    return _train(folder, config, watcher, splits)


def _train(
    folder: Path, config: Namespace, watcher: Watcher | None, splits: Sequence[str] = (), new: bool = False
) -> Trained:
    with claimed(folder) as processes:
        fresh = processes.main and not (folder / CONFIG).exists()
        bare = processes.main and not contents(folder)
        # Before anything that takes long, so that whatever is killed can be resumed.
        processes.first(lambda: _place_config(folder, config, new))
        trainer = None
        try:
            run = build(config)
            trainer = Trainer(run, folder, watcher or Nobody(), splits)
            trainer.train()
        except ClosegapError as error:
            if fresh and (trainer is None or isinstance(error, UsageError)):
                _forget(folder, bare)  # what was asked wrongly is asked again, and the folder must be free for it
            raise
        cases = trainer.validation_split.cases
        judged = cases and run.objective.moves_model
        return Trained(
            folder, run, cases, trainer.cases.kinds, trainer.validation_embeddings() if judged else None, trainer.main
        )


def _place_config(folder: Path, config: Namespace, new: bool) -> None:
    """Write config.yaml, unless the folder has it.

    Raises:
        UsageError: the folder is that of another run.
    """
    path = folder / CONFIG
    if not path.exists():
        save_config(config, folder)
    elif new:
        raise UsageError(
            f"{folder}: already holds {CONFIG}; go on with `closegap train --resume {folder}`, or choose another --out"
        )
    else:
        found = difference(read_config(folder), config)
        if found is not None:
            raise UsageError(
                f"{path}: {found}; a run keeps its config: ask for that one, or choose another --out for this one"
            )


def _forget(folder: Path, bare: bool) -> None:
    """Take away what a run that cannot be trained has written, in a folder that held no run before."""
    for path in contents(folder) if bare else [folder / CONFIG]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
