"""Putting rows into an archive: what is there already is neither embedded nor written again."""

from collections.abc import Mapping, Sequence

import numpy as np

from closegap.progress import Progress
from closegap.search.archive.corrections import Corrections
from closegap.search.archive.derived import moved_batch
from closegap.search.archive.feed import CONTENT, Draft, Feed
from closegap.search.index import Index
from closegap.search.row import Batch

_BLOCK = 1024


def add_rows(
    index: Index,
    feed: Feed,
    corrections: Corrections,
    progress: Progress | None = None,
    known: Index | None = None,
) -> int:
    """Put the rows of a feed into an index, and moved ones where the corrections have a map.

    All rows of some cases become visible together. After a kill, call it again: rows of unchanged content keep their
    vectors. A case that has lost a view since is put in anew.

    Args:
        index: opened to be written to.
        feed: of the model of the rows that are there.
        corrections: that hold.
        progress: called with (cases done, cases).
        known: another index that rows are taken from, where it has them.

    Returns:
        How many rows were embedded.
    """
    made, done = 0, 0
    for piece in feed.pieces():
        there = set(index.stats().widths)
        cases = list(dict.fromkeys(draft.row.case for drafts in piece.values() for draft in drafts))
        raw: dict[str, Batch] = {}
        for name, drafts in piece.items():
            sources = [one for one in (index, known) if one is not None and name in one.stats().widths]
            raw[name], fresh = _batch(sources, feed, name, drafts)
            made += fresh
        stale = _stale(index, {name: piece.get(name, ()) for name in feed.modalities if name in there}, cases)
        if stale:
            index.delete(cases=stale)
        batches = dict(raw)
        if corrections.posthoc is not None:
            batches |= {corrections.partition(name): moved_batch(corrections, name, held) for name, held in raw.items()}
        index.add(batches)
        done += len(cases)
        if progress is not None:
            progress(done, feed.cases)
    return made


def forget_others(index: Index, feed: Feed) -> None:
    """Delete the cases that the feed has not: what was there when the work began may be gone since."""
    held = list(feed.case_ids())
    for name in index.stats().widths:
        gone = sorted(set(index.ids(name)) - set(index.ids(name, held)))
        if gone:
            index.delete(cases={row.case for row in index.read(name, gone).rows})


def copy_rows(index: Index, into: Index, partitions: Sequence[str], progress: Progress | None = None) -> None:
    """Put all rows of some partitions into another index, in their order.

    Args:
        index: that has them.
        into: opened to be written to.
        partitions: of those that are there.
        progress: called with (rows done, rows to do).
    """
    rows = index.stats().rows
    done, total = 0, sum(rows.get(name, 0) for name in partitions)
    for name in partitions:
        names = index.ids(name) if name in rows else []
        for start in range(0, len(names), _BLOCK):
            some = names[start : start + _BLOCK]
            into.add({name: index.read(name, some)})
            done += len(some)
            if progress is not None:
                progress(done, total)


def _batch(sources: Sequence[Index], feed: Feed, modality: str, drafts: Sequence[Draft]) -> tuple[Batch, int]:
    """The rows with vectors and previews, those of a source where the content is the same, and how many were made."""
    known: dict[str, tuple[np.ndarray, bytes]] = {}
    for index in sources:
        held = index.read(modality, [draft.row.id for draft in drafts])
        for row, vector, preview in zip(held.rows, held.vectors, held.previews or (), strict=True):
            known[f"{row.id}\0{row.payload.get(CONTENT)}"] = (vector, bytes(preview))
    keys = [f"{draft.row.id}\0{draft.row.payload[CONTENT]}" for draft in drafts]
    missing = [draft.item for key, draft in zip(keys, drafts, strict=True) if key not in known]
    made = iter(feed.vectors(modality, missing)) if missing else iter(())
    vectors, previews = [], []
    for key, draft in zip(keys, drafts, strict=True):
        vector, preview = known[key] if key in known else (next(made), feed.preview(modality, draft.item))
        vectors.append(vector)
        previews.append(preview)
    return Batch([draft.row for draft in drafts], np.stack(vectors), previews), len(missing)


def _stale(index: Index, drafts: Mapping[str, Sequence[Draft]], cases: Sequence[str]) -> list[str]:
    """The cases of which rows are there that they have no more."""
    found: dict[str, None] = {}
    for modality, of in drafts.items():
        ids = {draft.row.id for draft in of}
        gone = [name for name in index.ids(modality, cases) if name not in ids]
        found |= dict.fromkeys(row.case for row in index.read(modality, gone).rows) if gone else {}
    return list(found)
