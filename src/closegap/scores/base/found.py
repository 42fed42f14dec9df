"""What items find in one list of all modalities, and the table that keeps it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError
from closegap.files import whole_file
from closegap.metrics.index import MixedIndex
from closegap.metrics.positives import rows_of
from closegap.metrics.stage import Stage

_QUERIES_AT_ONCE = 64
_SCHEMA = pa.schema(
    {
        "query": pa.string(),
        "query_modality": pa.string(),
        "rank": pa.int32(),
        "id": pa.string(),
        "modality": pa.string(),
        "score": pa.float64(),
    }
)


@dataclass(frozen=True)
class Found:
    """One item of a query's list.

    Args:
        query: id of the case that asks.
        query_modality: of the item that asks.
        rank: from 1.
        id: of the case that was found.
        modality: of the item that was found.
        score: that the list is ordered by.
    """

    query: str
    query_modality: str
    rank: int
    id: str
    modality: str
    score: float


def mixed_search(
    queries: EmbeddingSet, targets: EmbeddingSet, stage: Stage | None, k: int = 10
) -> Iterator[list[Found]]:
    """The first k items of all modalities for each item of the queries, query by query, some queries at a time.

    Items of the query's own case in its own modality are left out: an archive may ask itself.

    Args:
        queries: every item asks by itself.
        targets: what is searched.
        stage: fitted; None merges by cosine.
        k: how many are listed.

    Raises:
        DataError: sets of different widths, or a modality that was not fitted.
    """
    width, other = queries.width, targets.width
    if width != other:
        raise DataError(f"queries have {width} dimensions and targets {other}; embed both with one model")
    index = MixedIndex([rows_of(targets, name) for name in targets.modalities], stage)
    ids = [targets.ids[row] for part in index.parts for row in part.index.tolist()]
    names = [part.modality for part in index.parts for _ in part.cases]
    own = max((int(part.cases.bincount().max()) for part in index.parts if len(part.cases)), default=0)
    for name in queries.modalities:
        asking = rows_of(queries, name)
        asking = replace(asking, embeddings=asking.embeddings.to(index.rows.dtype))
        for some in torch.split(torch.arange(len(asking.cases)), _QUERIES_AT_ONCE):
            block = asking.pick(some)
            items = index.nearest(block, k + own)
            scores = index.scores(block).gather(1, items).double()
            found: list[Found] = []
            for row, of_query, scored in zip(block.index.tolist(), items.tolist(), scores.tolist(), strict=True):
                query = queries.ids[row]
                others = [
                    (item, score)
                    for item, score in zip(of_query, scored, strict=True)
                    if (ids[item], names[item]) != (query, name)
                ]
                found += [
                    Found(query, name, rank, ids[item], names[item], score)
                    for rank, (item, score) in enumerate(others[:k], start=1)
                ]
            yield found


def write_found(path: Path, found: Iterable[list[Found]]) -> None:
    """Write the lists as a Parquet file, whole or not at all; the columns are the fields of `Found`."""
    with whole_file(path) as temporary, pq.ParquetWriter(temporary, _SCHEMA) as writer:
        for some in found:
            columns = {name: [getattr(one, name) for one in some] for name in _SCHEMA.names}
            writer.write_table(pa.table(columns, schema=_SCHEMA))
