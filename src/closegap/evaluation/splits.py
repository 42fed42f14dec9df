"""From a run folder to the embeddings of a split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from closegap.data import Case, load_cases
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.infer.embed import embed
from closegap.infer.features import FeatureCache
from closegap.infer.prepared import prepare, verifiers
from closegap.kinds.base import Kind
from closegap.runs.checkpoint import load_model, read_state
from closegap.runs.log import Nobody, Watcher
from closegap.runs.objective import Objective
from closegap.runs.open import best_device, open_run

EVALUATED = 256
"""Items at once, unless something else is asked for."""


@dataclass(frozen=True)
class Evaluated:
    """A run's model on one split.

    Args:
        arm: the run's arm.
        seed: the run's seed.
        split: what was embedded.
        embeddings: every view of every case.
        cases: the cases.
        kinds: modality name to the kind of the cases' items.
        objective: of the run.
        control: the arm that it is compared with; "" for the first.
        at_end: the embeddings after the last step, where they were asked for and steps were taken.
    """

    arm: str
    seed: int
    split: str
    embeddings: EmbeddingSet
    cases: Sequence[Case]
    kinds: Mapping[str, Kind]
    objective: Objective
    control: str = ""
    at_end: EmbeddingSet | None = None


def evaluate(folder: Path, split: str, overrides: Sequence[str] = (), watcher: Watcher | None = None) -> Evaluated:
    """As `evaluate_splits`, of one split."""
    return evaluate_splits(folder, [split], overrides, watcher)[0]


def evaluate_splits(
    folder: Path,
    splits: Sequence[str],
    overrides: Sequence[str] = (),
    watcher: Watcher | None = None,
    batch_size: int = EVALUATED,
    at_end: bool = False,
) -> list[Evaluated]:
    """Rebuild a run from its folder and embed splits with the checkpoint it is judged by.

    Args:
        folder: the run.
        splits: each "train", "validation" or "test".
        overrides: config overrides (`--data.root DIR`).
        watcher: who is told how it goes.
        batch_size: items at once.
        at_end: embed the first split after the last step, too.

    Raises:
        ClosegapError: no run, no checkpoint, a checkpoint of another model, no such split.
    """
    watcher = watcher or Nobody()
    opened, device = open_run(folder, overrides), best_device()
    run, model = opened.run, opened.run.model.to(device)
    cache = FeatureCache.of_run(run.train)
    preparing = verifiers(model, cache, device, watcher.features, run.train.keep_images)
    loaded = load_cases(run.data, run.checks, model.modalities, watcher.images, preparing, splits)
    meta = {"arm": opened.arm, "seed": run.seed}
    evaluated = []
    for split in splits:
        cases = loaded.split(split)
        prepared = prepare(cases, model, cache, device, watcher.features, run.train.keep_images)
        found = replace(embed(model, prepared, device, batch_size), meta={**meta, "split": split, "step": opened.step})
        evaluated.append(Evaluated(opened.arm, run.seed, split, found, cases, loaded.kinds, run.objective, run.control))
    if at_end and (step := read_state(opened.last).step):
        first = evaluated[0]
        after = first.embeddings
        if opened.last != opened.checkpoint:
            load_model(opened.last, model)
            prepared = prepare(first.cases, model, cache, device, watcher.features, run.train.keep_images)
            after = embed(model, prepared, device, batch_size)
        after = replace(after, meta={**meta, "split": first.split, "step": step, "at_end": True})
        evaluated[0] = replace(first, at_end=after)
    return evaluated
