"""An embedding set from the files of people who do not train."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from closegap.embeddings.array_file import ArrayFile
from closegap.embeddings.column import read_column, read_concepts
from closegap.embeddings.embedding_set import ROW_NUMBERED, EmbeddingSet
from closegap.embeddings.matrix import load_array, unit_rows
from closegap.errors import DataError, UsageError
from closegap.files import digest
from closegap.printable import is_text


def embedding_set_from_arrays(
    arrays: Sequence[ArrayFile | str | Path],
    names: Sequence[str] | None = None,
    *,
    ids: ArrayFile | str | Path | None = None,
    groups: ArrayFile | str | Path | None = None,
    labels: Sequence[ArrayFile | str | Path] = (),
    relevance: ArrayFile | str | Path | None = None,
) -> tuple[EmbeddingSet, list[str]]:
    """The set that these files describe, and what a report should say about how it came to be.

    Rows that are not unit-norm are normalised. Where several rows share an id they are one case: an embedding that is
    repeated within it (the image of five captions) counts once, and is absent in the further rows.

    Args:
        arrays: one file per modality, two or more, row i the same case in each; text is read as FILE or FILE:KEY.
        names: modality names; the files' own names if None.
        ids: the case of each row; row numbers if None, which the set's meta then says.
        groups: the article or patient of each row, for the bootstrap; the ids if None.
        labels: columns of labels, each under its file's name ("" where unknown).
        relevance: the concepts of each row, whose overlap grades relevance.

    Returns:
        The set and its notes, one line each.

    Raises:
        DataError: a file or a row that is not what it should be.
        UsageError: one modality, names that do not fit, unknown suffixes or keys.
    """
    sources = [ArrayFile.of(array) for array in arrays]
    names = _names(sources, names)
    notes: list[str] = []
    embeddings: dict[str, Float[Tensor, "n d"]] = {}
    for name, source in zip(names, sources, strict=True):
        rows = load_array(source)
        _check_rows(rows, embeddings, sources[0].path, source.path)
        embeddings[name], note = unit_rows(rows, source.path)
        notes += [note] if note else []
    n = len(embeddings[names[0]])
    cases = [str(row) for row in range(n)] if ids is None else _named(ids, n, sources[0].path)
    present, views = _first_views(embeddings, cases)
    notes += views
    meta: dict[str, Any] = {"sources": {name: str(source.path) for name, source in zip(names, sources, strict=True)}}
    result = EmbeddingSet(
        embeddings,
        cases,
        present=present,
        groups=None if groups is None else _named(groups, n, sources[0].path),
        labels=_labels([ArrayFile.of(column) for column in labels], n, sources[0].path),
        concepts=None if relevance is None else _concepts(relevance, n, sources[0].path),
        meta=meta | ({ROW_NUMBERED: True} if ids is None else {}),
    )
    anything = torch.stack([result.mask(name) for name in names]).any(0)
    if anything.all():
        return result, notes
    notes.append(f"{int((~anything).sum())} rows repeat an earlier row of their id whole and were left out")
    return result.select(anything.nonzero()[:, 0]), notes


def _names(sources: Sequence[ArrayFile], names: Sequence[str] | None) -> Sequence[str]:
    if len(sources) < 2:
        raise UsageError(f"{len(sources)} array; a gap needs at least two modalities")
    given = [source.name for source in sources] if names is None else list(names)
    if len(given) != len(sources):
        raise UsageError(f"{len(given)} names ({', '.join(given)}) for {len(sources)} arrays; expected one per array")
    twice = [name for name, times in Counter(given).items() if times > 1]
    if twice:
        raise UsageError(f"two modalities are called '{twice[0]}'; name them apart with --names")
    if not all(map(is_text, given)) or "" in given:
        raise UsageError("a modality has an empty name, or one that is no text; name each with --names")
    return given


def _check_rows(rows: Tensor, before: dict[str, Tensor], first: Path, path: Path) -> None:
    for other in before.values():
        if len(rows) != len(other):
            raise DataError(f"{path}: {len(rows)} rows, expected {len(other)} as in {first}")


def _check_length(given: int, n: int, path: Path, first: Path) -> None:
    if given != n:
        raise DataError(f"{path}: {given} rows, expected {n}, one per row of {first}")


def _named(column: ArrayFile | str | Path, n: int, first: Path) -> list[str]:
    source = ArrayFile.of(column)
    values = read_column(source)
    _check_length(len(values), n, source.path, first)
    if "" in values:
        raise DataError(f"{source.path}: row {values.index('')} is empty; every row needs a value (rows count from 0)")
    return values


def _concepts(column: ArrayFile | str | Path, n: int, first: Path) -> list[tuple[str, ...]]:
    source = ArrayFile.of(column)
    concepts = read_concepts(source)
    _check_length(len(concepts), n, source.path, first)
    return concepts


def _labels(sources: Sequence[ArrayFile], n: int, first: Path) -> dict[str, list[str]]:
    labels: dict[str, list[str]] = {}
    for source in sources:
        if source.name in labels:
            raise UsageError(f"two columns of labels are called '{source.name}'; rename a file or a column")
        if not is_text(source.name):
            raise UsageError(
                f"labels cannot be called '{source.name}', which is no text; rename the file or the column"
            )
        labels[source.name] = read_column(source)
        _check_length(len(labels[source.name]), n, source.path, first)
    return labels


def _first_views(
    embeddings: dict[str, Float[Tensor, "n d"]], cases: Sequence[str]
) -> tuple[dict[str, Bool[Tensor, "n"]], list[str]]:
    """Presence without repeats inside a case, and notes."""
    times = Counter(cases)
    if len(times) == len(cases):
        return {}, []
    notes = [f"{len(cases)} rows are views of {len(times)} cases; rows of one id are each other's positives"]
    present = {}
    for name, rows in embeddings.items():
        seen: set[str] = set()
        mask = torch.ones(len(cases), dtype=torch.bool)
        for row, case in enumerate(cases):
            if times[case] > 1:
                content = digest(case.encode(), rows[row].numpy().tobytes())
                mask[row] = content not in seen
                seen.add(content)
        if not mask.all():
            notes.append(f"{name}: {int((~mask).sum())} rows repeat an earlier row of their id and count once")
            present[name] = mask
    return present, notes
