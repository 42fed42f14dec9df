"""A trained run's embeddings of a split."""

from collections.abc import Sequence
from pathlib import Path

from closegap.api.bars import Bars
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.evaluation.splits import EVALUATED, evaluate_splits
from closegap.infer.parts import embed_in_parts
from closegap.runs.log import Watching
from closegap.runs.open import open_run


def embed(
    run: Path | str,
    split: str = "test",
    *,
    out: Path | str | None = None,
    overrides: Sequence[str] = (),
    batch_size: int | None = None,
    watching: Watching = Bars,
) -> EmbeddingSet:
    """The embeddings of every view of every case of a split.

    Items of your own are embedded by `closegap.load(run).embed(image=[...])`.

    Args:
        run: the run's folder.
        split: train, validation or test.
        out: a .safetensors file; the set is then written in parts, which a killed call goes on with, and mapped into
            memory. None keeps it in memory.
        overrides: of the run's config (`["--data.root", "ROCO"]`).
        batch_size: items at once, which bounds memory; by default what suits the device.
        watching: who is told how it goes; `closegap.runs.log.unwatched` for nobody.

    Raises:
        ClosegapError: no run, no checkpoint, no such split.
        UsageError: OUT.parts holds parts of something else, or a batch size below 1.
    """
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"batch_size: {batch_size} given, expected 1 or more")
    with watching("embedding") as watcher:
        if out is None:
            return evaluate_splits(Path(run), [split], overrides, watcher, batch_size or EVALUATED)[0].embeddings
        return embed_in_parts(open_run(Path(run), overrides), split, Path(out), watcher, batch_size=batch_size)
