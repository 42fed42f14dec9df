"""The rows of an archive as an embedding set, to fit on and to judge."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError
from closegap.search.archive.corrections import Corrections
from closegap.search.archive.feed import CONTENT
from closegap.search.index import Index
from closegap.search.row import Row

MOST = 20_000
"""Cases of a reference; more are drawn from."""

_BLOCK = 4096


def archived_set(
    index: Index, modalities: Sequence[str], labels: Sequence[str] = (), split: str = "", most: int | None = None
) -> EmbeddingSet:
    """Raw rows of the archive; row v of a case holds the case's v-th row of each modality that has one.

    Args:
        index: of the archive.
        modalities: of the archive.
        labels: names of labels among what is known of the rows.
        split: whose cases; "" for all.
        most: cases to draw, with a fixed seed, if there are more.

    Raises:
        DataError: no such rows.
    """
    there = [name for name in modalities if name in index.stats().widths]
    held: dict[str, dict[str, list[torch.Tensor]]] = {}
    known: dict[str, Row] = {}
    for name in there:
        ids = index.ids(name)
        for start in range(0, len(ids), _BLOCK):
            batch = index.read(name, ids[start : start + _BLOCK])
            for row, vector in zip(batch.rows, torch.from_numpy(batch.vectors), strict=True):
                if not split or row.payload.get("split") == split:
                    known.setdefault(row.case, row)
                    held.setdefault(row.case, {}).setdefault(name, []).append(vector)
    if not held:
        raise DataError(f"no rows{f' of the {split} split' if split else ''} in the archive; fit on others")
    cases = sorted(held)
    if most is not None and len(cases) > most:
        picked = torch.randperm(len(cases), generator=torch.Generator().manual_seed(0))[:most]
        cases = [cases[at] for at in picked.sort().values.tolist()]
    rows = [(case, view) for case in cases for view in range(max(map(len, held[case].values())))]
    return _set_of(rows, held, known, there, labels)


def moved_set(embeddings: EmbeddingSet, corrections: Corrections) -> EmbeddingSet:
    """The set as the corrections' map moves it."""
    moved = {}
    for name, rows in embeddings.embeddings.items():
        mask = embeddings.mask(name)
        found = corrections.moved(rows[mask], name)
        moved[name] = found.new_zeros(len(rows), found.shape[1]).index_put((mask,), found)
    return replace(embeddings, embeddings=moved)


def _set_of(
    rows: Sequence[tuple[str, int]],
    held: Mapping[str, Mapping[str, Sequence[torch.Tensor]]],
    known: Mapping[str, Row],
    modalities: Sequence[str],
    labels: Sequence[str],
) -> EmbeddingSet:
    embeddings, present = {}, {}
    for name in modalities:
        of = [held[case].get(name, ()) for case, _ in rows]
        there = torch.tensor([view < len(vectors) for (_, view), vectors in zip(rows, of, strict=True)])
        if not there.any():
            continue
        values = torch.stack(
            [vectors[view] for (_, view), vectors in zip(rows, of, strict=True) if view < len(vectors)]
        )
        embeddings[name] = torch.zeros(len(rows), values.shape[1]).index_put((there,), values)
        present[name] = there
    concepts = [tuple(known[case].payload.get("concepts", ())) for case, _ in rows]
    return EmbeddingSet(
        embeddings,
        [case for case, _ in rows],
        present,
        groups=[known[case].group for case, _ in rows],
        labels={
            name: [str(known[case].payload.get(name, "")) for case, _ in rows] for name in labels if name != CONTENT
        },
        concepts=concepts if any(concepts) else None,
    )
