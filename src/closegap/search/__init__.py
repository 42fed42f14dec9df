"""One search over an archive of several modalities: where rows are kept, and how they are found."""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.search.archive.answer import Answer as Answer
    from closegap.search.archive.answer import Hit as Hit
    from closegap.search.archive.archive import Archive as Archive
    from closegap.search.archive.archive import open as open
    from closegap.search.archive.corrections import Corrections as Corrections
    from closegap.search.archive.query import Part as Part
    from closegap.search.archive.query import Query as Query
    from closegap.search.embedded.index import EmbeddedIndex as EmbeddedIndex
    from closegap.search.engines import open_index as open_index
    from closegap.search.filter import Filter as Filter
    from closegap.search.filter import parse_filter as parse_filter
    from closegap.search.index import Index as Index
    from closegap.search.milvus.index import MilvusIndex as MilvusIndex
    from closegap.search.postgres.index import PostgresIndex as PostgresIndex
    from closegap.search.row import Batch as Batch
    from closegap.search.row import Found as Found
    from closegap.search.row import Row as Row
    from closegap.search.row import Stats as Stats

_HOMES = {
    "Answer": "closegap.search.archive.answer",
    "Archive": "closegap.search.archive.archive",
    "Batch": "closegap.search.row",
    "Corrections": "closegap.search.archive.corrections",
    "EmbeddedIndex": "closegap.search.embedded.index",
    "Filter": "closegap.search.filter",
    "Found": "closegap.search.row",
    "Hit": "closegap.search.archive.answer",
    "Index": "closegap.search.index",
    "Part": "closegap.search.archive.query",
    "Query": "closegap.search.archive.query",
    "MilvusIndex": "closegap.search.milvus.index",
    "PostgresIndex": "closegap.search.postgres.index",
    "Row": "closegap.search.row",
    "Stats": "closegap.search.row",
    "open": "closegap.search.archive.archive",
    "open_index": "closegap.search.engines",
    "parse_filter": "closegap.search.filter",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
