"""Partitions of moved rows, made from the raw ones: a new map needs no new embedding."""

from collections.abc import Sequence

import numpy as np
import torch

from closegap.progress import Progress
from closegap.search.archive.corrections import Corrections
from closegap.search.index import Index
from closegap.search.row import Batch

_BLOCK = 1024


def moved_batch(corrections: Corrections, modality: str, batch: Batch) -> Batch:
    """The rows of a raw batch as their derived partition holds them: moved, and without what is shown of them."""
    rows = torch.from_numpy(np.ascontiguousarray(batch.vectors, dtype=np.float32))
    return Batch(batch.rows, corrections.moved(rows, modality).numpy())


def derive(index: Index, corrections: Corrections, modalities: Sequence[str], progress: Progress | None = None) -> None:
    """Move the rows of all modalities into the partitions that the corrections name.

    They are searched once corrections that name them are put: after a kill, derive again; what is there already as it
    should be is not written again. Without a map there is nothing to do.

    Args:
        index: opened to be written to, by nobody else.
        corrections: with the map.
        modalities: of the archive.
        progress: called with (rows done, rows to do).
    """
    if corrections.posthoc is None:
        return
    there = [name for name in modalities if name in index.stats().widths]
    names = {name: index.ids(name) for name in there}
    done, total = 0, sum(map(len, names.values()))
    for name in there:
        for start in range(0, len(names[name]), _BLOCK):
            some = names[name][start : start + _BLOCK]
            index.add({corrections.partition(name): moved_batch(corrections, name, index.read(name, some))})
            done += len(some)
            if progress is not None:
                progress(done, total)
