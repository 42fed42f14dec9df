"""Benchmarks of mixed-modality search in the layout of MixBench: queries, documents, and how relevant they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from closegap.data.case import BrokenRow, Case, Row
from closegap.data.readers.cells import CellError, Columns, is_blank, items_of, kind_of, text
from closegap.data.readers.judgements import read_judgements
from closegap.data.source import Source
from closegap.data.table import TableRow, table_columns, table_rows
from closegap.errors import DataError, UsageError
from closegap.kinds.base import Kind

_QUERIES, _CORPUS, _MIXED, _QRELS = "queries.jsonl", "corpus.jsonl", "mixed_corpus.jsonl", "qrels/qrels.tsv"
_ROLES = {_QUERIES: ("query", "query_id"), _CORPUS: ("corpus", "corpus_id"), _MIXED: ("corpus", "corpus_id")}
_IMAGES = "images"


@dataclass(frozen=True)
class JudgedSet:
    """What is searched for and among what, by the ids of the cases that `MixBench` gives.

    Args:
        name: of the set.
        queries: each query, and the modalities that it shows.
        documents: each document, and the modalities that it shows where it is searched.
        grades: query to document to how relevant it is; what is not judged is not relevant.
    """

    name: str
    queries: Mapping[str, tuple[str, ...]]
    documents: Mapping[str, tuple[str, ...]]
    grades: Mapping[str, Mapping[str, int]]


class MixBench(Source):
    """Queries and documents of one or several sets, each a folder in the layout of MixBench.

    A set holds `queries.jsonl` (query_id), `corpus.jsonl` (corpus_id), each document with all that there is of it,
    `mixed_corpus.jsonl`, the same documents as they are searched, `qrels/qrels.tsv` (query_id, corpus_id, score) and
    `images/`, which paths are relative to. Cases are the queries and the documents of `corpus.jsonl`, so that one
    embedding serves every mixture: `SET/query/ID` and `SET/corpus/ID`, all in the test split. A row may name its
    `group`, what bootstraps resample; the case by default.

    Args:
        root: a set, or a folder of sets.
        modalities: modality name to the keys that hold it; image and text under these names by default.
        sets: names of the sets to read; all by default.

    Raises:
        UsageError: a kind that there is not, or keys that do not go with it.

    Reference:
        Li et al., Closing the Modality Gap for Mixed Modality Search, arXiv:2507.19054, and its MixBench25.
    """

    def __init__(self, root: Path, modalities: dict[str, Columns] | None = None, sets: list[str] | None = None) -> None:
        self._root, self._sets = Path(root), sets
        self._modalities = modalities or {name: Columns(name, [name]) for name in ("image", "text")}
        self._kinds = {name: kind_of(f"data.modalities.{name}", columns) for name, columns in self._modalities.items()}

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Of the modalities that are described."""
        return self._kinds

    @property
    def data_root(self) -> Path:
        """The folder that was given."""
        return self._root

    def rows(self) -> Iterator[Row]:
        """The queries and documents of one set after the other.

        Raises:
            DataError: no set, a file that is missing or damaged, or one without the key of ids.
        """
        for name, folder in self._folders.items():
            for file in (_QUERIES, _CORPUS):
                yield from self._cases(name, folder, file)

    def judged(self) -> list[JudgedSet]:
        """What is searched in each set, and what is relevant.

        Raises:
            DataError: as `rows`, and the first row that is not sound, of documents as they are searched and of
                relevance too.
        """
        return [self._judged(name, folder) for name, folder in self._folders.items()]

    def _judged(self, name: str, folder: Path) -> JudgedSet:
        queries, known, documents = (self._shown(name, folder, file) for file in (_QUERIES, _CORPUS, _MIXED))
        for document, shown in documents.items():
            if not set(shown) <= set(known.get(document, ())):
                key = document.removeprefix(f"{name}/corpus/")
                raise DataError(
                    f"{folder / _MIXED}: document '{key}' shows {' and '.join(shown)}, "
                    f"{_CORPUS} {_has(known.get(document))}; write both from the same documents"
                )
        found = read_judgements(
            folder / _QRELS,
            {key.removeprefix(f"{name}/query/") for key in queries},
            {key.removeprefix(f"{name}/corpus/") for key in documents},
        )
        grades = {
            f"{name}/query/{query}": {f"{name}/corpus/{document}": grade for document, grade in of_query.items()}
            for query, of_query in found.items()
        }
        return JudgedSet(name, queries, documents, grades)

    @cached_property
    def _folders(self) -> dict[str, Path]:
        """Name of each set to its folder."""
        if not self._root.is_dir():
            raise DataError(f"{self._root}: no such folder; expected a set of queries and documents, or several")
        if (self._root / _QUERIES).is_file():
            found = {self._root.resolve().name: self._root}
        else:
            found = {path.parent.name: path.parent for path in sorted(self._root.glob(f"*/{_QUERIES}"))}
        if not found:
            raise DataError(f"{self._root}: neither {_QUERIES} in it nor in a folder of it; expected a set, or several")
        for name in self._sets or ():
            if name not in found:
                raise UsageError(f"{self._root}: no set '{name}'; there are {', '.join(found)}")
        return {name: folder for name, folder in found.items() if self._sets is None or name in self._sets}

    def _shown(self, name: str, folder: Path, file: str) -> dict[str, tuple[str, ...]]:
        found = {}
        for row in self._cases(name, folder, file):
            if isinstance(row, BrokenRow):
                raise DataError(f"{row.where}: {row.message}")
            found[row.id] = tuple(modality for modality in self._modalities if modality in row.views)
        return found

    def _cases(self, name: str, folder: Path, file: str) -> Iterator[Row]:
        role, key = _ROLES[file]
        path, first = folder / file, dict[str, str]()
        self._expect_keys(path, key)
        for row in table_rows(path):
            case = row if isinstance(row, BrokenRow) else self._case(row, f"{name}/{role}", key, folder)
            if isinstance(case, Case):
                if case.id in first:
                    written = case.id.removeprefix(f"{name}/{role}/")
                    case = BrokenRow(
                        "duplicate id", row.where, f"{key} '{written}' is taken by {first[case.id]}; keep one"
                    )
                else:
                    first[case.id] = row.where
            yield case

    def _expect_keys(self, path: Path, key: str) -> None:
        found = table_columns(path)
        if key not in found:
            listed = ", ".join(map(repr, found)) or "none"
            raise DataError(f"{path}: expected the key '{key}' in every line, found {listed}")
        named = [column for columns in self._modalities.values() for column in columns.all]
        if not any(column in found for column in named):
            raise DataError(
                f"{path}: expected {' or '.join(map(repr, named))} beside '{key}', found "
                f"{', '.join(map(repr, found))}; name the keys with --data.modalities"
            )

    def _case(self, row: TableRow, prefix: str, key: str, folder: Path) -> Case | BrokenRow:
        cells: dict[str, Any] = {name: None if is_blank(value) else value for name, value in row.cells.items()}
        views: dict[str, tuple[Any, ...]] = {}
        try:
            written, group = text(key, cells.get(key)), text("group", cells.get("group"))
            for name, columns in self._modalities.items():
                if items := items_of(self._kinds[name], columns, cells, folder / _IMAGES):
                    views[name] = items
        except CellError as error:
            return BrokenRow(error.reason, row.where, str(error))
        except (DataError, ValueError, OSError) as error:  # the latter two from kinds that are not ours
            return BrokenRow(f"{self._kinds[name].noun} unreadable", row.where, f"modality '{name}': {error}")
        if not written:
            return BrokenRow("no id", row.where, f"'{key}' is blank; give every line an id")
        if not views:
            message = f"{' and '.join(self._modalities)} of '{written}' are blank; give one, or drop the line"
            return BrokenRow("nothing in it", row.where, message)
        return Case(f"{prefix}/{written}", "test", group or f"{prefix}/{written}", views, where=row.where)


def _has(shown: tuple[str, ...] | None) -> str:
    return "does not have it" if shown is None else f"has {' and '.join(shown)}"
