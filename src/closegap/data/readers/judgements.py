"""How relevant documents are to queries: the table that search benchmarks call qrels."""

import re
from collections.abc import Collection
from pathlib import Path

from closegap.errors import DataError
from closegap.separated import separated_header, separated_rows

_HEADER = ["query_id", "corpus_id", "score"]
_GRADE = re.compile(r"\d{1,9}")


def read_judgements(path: Path, queries: Collection[str], documents: Collection[str]) -> dict[str, dict[str, int]]:
    """Query to document to grade, of a table of tab-separated query_id, corpus_id and score; 0 is not relevant.

    Args:
        path: the table.
        queries: all ids of queries.
        documents: all ids of documents.

    Raises:
        DataError: no such file or another header; a row of another form, with an id that is not known, a grade that is
            no whole number, or a pair that was judged before.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected a table of {', '.join(_HEADER)}")
    if (header := separated_header(path, "\t")) != _HEADER:
        raise DataError(
            f"{path}, line 1: expected the header {', '.join(_HEADER)}, separated by tabs, found "
            f"{', '.join(header) or 'nothing'}"
        )
    found: dict[str, dict[str, int]] = {}
    for row in separated_rows(path, "\t"):
        where = f"{path}, line {row.line}"
        if row.reason:
            raise DataError(f"{where}: {row.message}")
        if not row.cells:
            continue
        query, document, score = (cell.strip() for cell in row.cells)
        for noun, key, known in (("query", query, queries), ("document", document, documents)):
            if key not in known:
                raise DataError(f"{where}: no {noun} '{key}'; expected one of the set's {len(known)}")
        if not _GRADE.fullmatch(score):
            raise DataError(f"{where}: score '{score}', expected a whole number from 0, which is not relevant")
        if document in found.setdefault(query, {}):
            raise DataError(f"{where}: '{query}' and '{document}' were judged before; keep one of the lines")
        found[query][document] = int(score)
    return found
