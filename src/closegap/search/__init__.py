"""One search over an archive of several modalities: where rows are kept, and how they are found."""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.search.embedded.index import EmbeddedIndex as EmbeddedIndex
    from closegap.search.filter import Filter as Filter
    from closegap.search.filter import parse_filter as parse_filter
    from closegap.search.index import Index as Index
    from closegap.search.row import Batch as Batch
    from closegap.search.row import Found as Found
    from closegap.search.row import Row as Row
    from closegap.search.row import Stats as Stats

_HOMES = {
    "Batch": "closegap.search.row",
    "EmbeddedIndex": "closegap.search.embedded.index",
    "Filter": "closegap.search.filter",
    "Found": "closegap.search.row",
    "Index": "closegap.search.index",
    "Row": "closegap.search.row",
    "Stats": "closegap.search.row",
    "parse_filter": "closegap.search.filter",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
