"""From a run folder to the embeddings of a split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from closegap.data import Case, load_cases
from closegap.embedding_set import EmbeddingSet
from closegap.train.checkpoint import load_model, read_progress
from closegap.train.embed import embed
from closegap.train.features import FeatureCache
from closegap.train.log import Nobody, Watcher
from closegap.train.prepared import prepare
from closegap.train.run import build, chosen_checkpoint, read_config


@dataclass(frozen=True)
class Evaluated:
    """A run's model on one split.

    Args:
        arm: the run's arm.
        seed: the run's seed.
        split: what was embedded.
        embeddings: every view of every case.
        cases: the cases.
    """

    arm: str
    seed: int
    split: str
    embeddings: EmbeddingSet
    cases: Sequence[Case]


def evaluate(folder: Path, split: str, overrides: Sequence[str] = (), watcher: Watcher | None = None) -> Evaluated:
    """As `evaluate_splits`, of one split."""
    return evaluate_splits(folder, [split], overrides, watcher)[0]


def evaluate_splits(
    folder: Path, splits: Sequence[str], overrides: Sequence[str] = (), watcher: Watcher | None = None
) -> list[Evaluated]:
    """Rebuild a run from its folder and embed splits with the checkpoint it is judged by.

    Args:
        folder: the run.
        splits: each "train", "validation" or "test".
        overrides: config overrides (`--data.root DIR`).
        watcher: who is told how it goes.

    Raises:
        ClosegapError: no run, no checkpoint, a checkpoint of another model, no such split.
    """
    watcher = watcher or Nobody()
    run = build(read_config(folder, overrides))
    checkpoint = chosen_checkpoint(folder, run.train.keep)
    load_model(checkpoint, run.model)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = run.model.to(device)
    loaded = load_cases(run.data, run.checks, model.modalities, watcher.images)
    cache = FeatureCache.of_run(run.train)
    arm, step = run.arm or folder.name, read_progress(checkpoint).step
    evaluated = []
    for split in splits:
        cases = loaded.split(split)
        prepared = prepare(cases, model, cache, device, watcher.features, run.train.keep_images)
        meta = {"arm": arm, "seed": run.seed, "split": split, "step": step}
        found = replace(embed(model, prepared, device), meta=meta)
        evaluated.append(Evaluated(arm, run.seed, split, found, cases))
    return evaluated
