"""Sets of mixed-modality search in the layout of MixBench, from the test splits of sets that we have.

    python benchmarks/mixbench_sets.py roco ROCO --out sets/roco
    python benchmarks/mixbench_sets.py vaers VAERS/cases.csv --out sets/vaers
    python benchmarks/mixbench_sets.py dialogues DIALOGUES/cases.csv --out sets/dialogues

Of each mixture and seed a set, `sets/roco/1-1-1.0`. A fifth of the cases is not in it and asks with the first modality,
with the second and with both; the others are documents, which show the first, the second or both. A document that
shows one modality is asked for by its other view, and is the answer, grade 10. No document shows what a query does.
Other documents have the grade 10 times the overlap of concepts, rounded down, at most 9, or where there are labels
alone 1 for the same label. Cases of which an item repeats another's are left out.
"""

import argparse
import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from study_manifests import vaers
from torch import Tensor

from closegap.data import Case, Roco
from closegap.metrics.relevance import concept_relevance, label_relevance

ANSWER, HELD_OUT = 10, 0.2
MIXTURES = {"first": (1, 0, 0), "second": (0, 1, 0), "70-20-10": (7, 2, 1), "1-1-1": (1, 1, 1)}


@dataclass(frozen=True)
class Item:
    """A case: key of each modality to its cell, an image as its path; what is known of what it is about."""

    id: str
    group: str
    cells: Mapping[str, str | Path]
    concepts: tuple[str, ...] = ()
    label: str = ""


def roco(root: Path) -> Iterator[Item]:
    for row in Roco(root).rows():
        if isinstance(row, Case) and row.split == "test":
            cells = {"image": row.views["image"][0], "text": row.views["caption"][0]}
            yield Item(row.id, row.group, cells, row.concepts)


def reports(table: Path) -> Iterator[Item]:
    for row in _table(table):
        made = vaers(row, table.parent)
        terms = tuple(term for term in row["reaction_terms"].split("|") if term)
        yield Item(row["id"], row["id"], {"record": made["record"], "narrative": made["narrative"]}, terms)


def dialogues(table: Path) -> Iterator[Item]:
    for row in _table(table):
        cells = {name: row[name] for name in ("dialogue", "note")}
        yield Item(row["id"], row["id"], cells, label=row["section"])


SOURCES = {"roco": roco, "vaers": reports, "dialogues": dialogues}


def unrepeated(items: Sequence[Item]) -> list[Item]:
    """The items without those of which a cell is blank, or was another's before."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for item in items:
        cells = {(key, str(cell).strip()) for key, cell in item.cells.items()}
        if not cells & seen and all(cell for _, cell in cells):
            kept.append(item)
        seen |= cells
    return kept


def dealt(items: int, shares: tuple[int, int, int], seed: int) -> list[int]:
    """What of each item is shown: the first modality, the second, both; -1 of those that ask only."""
    order = torch.randperm(items, generator=torch.Generator().manual_seed(seed)).tolist()
    asking = round(HELD_OUT * items)
    ends = [round(sum(shares[: place + 1]) / sum(shares) * (items - asking)) for place in range(3)]
    found = [-1] * items
    for place, item in enumerate(order[asking:]):
        found[item] = next(form for form, end in enumerate(ends) if place < end)
    return found


def grades(items: Sequence[Item]) -> Float[Tensor, "n n"]:
    """How relevant each is to each, from 0 to below that of an answer."""
    every = torch.arange(len(items))
    if any(item.concepts for item in items):
        overlap = concept_relevance([item.concepts for item in items])(every, every)
        return (ANSWER * overlap + 1e-5).floor().clamp(max=ANSWER - 1)
    return label_relevance([item.label for item in items])(every, every)


def write_set(items: Sequence[Item], shares: tuple[int, int, int], seed: int, folder: Path) -> None:
    """One set."""
    keys = list(items[0].cells)
    forms = [(keys[0],), (keys[1],), tuple(keys)]
    (folder / "qrels").mkdir(parents=True)
    (folder / "images").mkdir()
    for item in items:
        for cell in item.cells.values():
            if isinstance(cell, Path):
                shutil.copyfile(cell, folder / "images" / cell.name)
    shown, relevance = dealt(len(items), shares, seed), grades(items)
    documents = [number for number, form in enumerate(shown) if form >= 0]
    asking = [(number, form) for number, held in enumerate(shown) for form in ((0, 1, 2), (1,), (0,), ())[held + 1]]
    _lines(folder / "corpus.jsonl", [_row("corpus_id", items[i], keys) for i in documents])
    _lines(folder / "mixed_corpus.jsonl", [_row("corpus_id", items[i], forms[shown[i]]) for i in documents])
    queries = [
        {**_row("query_id", items[i], forms[form]), "query_id": _query(items[i], forms[form])} for i, form in asking
    ]
    _lines(folder / "queries.jsonl", queries)
    with (folder / "qrels/qrels.tsv").open("w", encoding="utf-8") as file:
        file.write("query_id\tcorpus_id\tscore\n")
        for i, form in asking:
            for j in documents:
                if grade := ANSWER if i == j else int(relevance[i, j]):
                    file.write(f"{_query(items[i], forms[form])}\t{items[j].id}\t{grade}\n")


def _query(item: Item, form: tuple[str, ...]) -> str:
    return f"{item.id}:{'+'.join(form)}"


def _row(key: str, item: Item, shown: Sequence[str]) -> dict[str, str | None]:
    cells = {name: cell.name if isinstance(cell, Path) else cell for name, cell in item.cells.items()}
    return {
        key: item.id,
        "group": item.group,
        **{name: cell if name in shown else None for name, cell in cells.items()},
    }


def _lines(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _table(table: Path) -> Iterator[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        yield from (row for row in csv.DictReader(file) if row["split"] == "test")


def main() -> None:
    """Write a set of each mixture and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", choices=SOURCES)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    every = list(SOURCES[given.source](given.data))
    items = unrepeated(every)
    first, second = items[0].cells
    for mixture, shares in MIXTURES.items():
        name = {"first": f"{first}-only", "second": f"{second}-only"}.get(mixture, mixture)
        for seed in given.seeds:
            write_set(items, shares, seed, given.out / f"{name}.{seed}")
    print(f"{given.out}: {len(items)} cases of {len(every)}, {len(MIXTURES) * len(given.seeds)} sets")


if __name__ == "__main__":
    main()
