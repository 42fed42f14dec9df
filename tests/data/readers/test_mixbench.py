"""Sets in MixBench's layout: what is read, and what is refused in one line."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from closegap.data import BrokenRow, Case, Columns, JudgedSet, MixBench, load_cases
from closegap.errors import DataError, UsageError
from closegap.testing import check_source

QUERIES = [
    {"query_id": "1", "text": "a lung", "image": None},
    {"query_id": "2", "text": "what is it?", "image": "2.png"},
]
CORPUS = [{"corpus_id": str(n), "text": f"text {n}", "image": f"{n}.png", "group": f"PMC{n % 2}"} for n in range(3)]
MIXED = [{**CORPUS[0], "image": None}, {**CORPUS[1], "text": ""}, CORPUS[2]]
QRELS = [("1", "1", "2"), ("1", "0", "0"), ("2", "2", "1")]


@pytest.fixture
def root(tmp_path: Path, picture: Callable[[Path, int], Path]) -> Path:
    """A folder of two sets alike."""
    for name in ("COCO", "WIT"):
        folder = tmp_path / "bench" / name
        for number in range(3):
            picture(folder / "images" / f"{number}.png", number)
        lines(folder / "queries.jsonl", QUERIES)
        lines(folder / "corpus.jsonl", CORPUS)
        lines(folder / "mixed_corpus.jsonl", MIXED)
        judge(folder, "".join("\t".join(row) + "\n" for row in QRELS))
    return tmp_path / "bench"


def _load(source: MixBench) -> None:
    load_cases(source)
    source.judged()


def lines(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def judge(folder: Path, rows: str, header: str = "query_id\tcorpus_id\tscore\n") -> None:
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / "qrels/qrels.tsv").write_text(header + rows, encoding="utf-8")


def test_queries_and_documents_are_cases(root: Path) -> None:
    source = MixBench(root / "COCO")
    check_source(source)
    found = list(source.rows())
    images = root / "COCO/images"
    assert found[:2] == [
        Case("COCO/query/1", "test", "COCO/query/1", {"text": ("a lung",)}),
        Case("COCO/query/2", "test", "COCO/query/2", {"image": (images / "2.png",), "text": ("what is it?",)}),
    ]
    assert found[3] == Case("COCO/corpus/1", "test", "PMC1", {"image": (images / "1.png",), "text": ("text 1",)})
    assert [len(load_cases(one).split("test")) for one in (source, MixBench(root))] == [5, 10]
    assert len(load_cases(MixBench(root, sets=["WIT"])).split("test")) == 5


def test_what_is_searched_and_what_is_relevant(root: Path) -> None:
    first, second = MixBench(root).judged()
    assert first == JudgedSet(
        name="COCO",
        queries={"COCO/query/1": ("text",), "COCO/query/2": ("image", "text")},
        documents={"COCO/corpus/0": ("text",), "COCO/corpus/1": ("image",), "COCO/corpus/2": ("image", "text")},
        grades={
            "COCO/query/1": {"COCO/corpus/1": 2, "COCO/corpus/0": 0},
            "COCO/query/2": {"COCO/corpus/2": 1},
        },
    )
    assert second.name == "WIT"


def test_modalities_of_any_kind_under_any_key(root: Path) -> None:
    folder = root / "COCO"
    lines(folder / "queries.jsonl", [{"query_id": 7, "story": "fever"}])
    documents = [{"corpus_id": 9, "story": "rash", "codes": "a|b"}]
    lines(folder / "corpus.jsonl", documents)
    lines(folder / "mixed_corpus.jsonl", [{**documents[0], "story": None}])
    judge(folder, "7\t9\t1\n")
    modalities = {"record": Columns("codes", ["codes"], separator="|"), "narrative": Columns("text", ["story"])}
    source = MixBench(folder, modalities)
    check_source(source)
    assert [row.views for row in source.rows() if isinstance(row, Case)] == [
        {"narrative": ("fever",)},
        {"record": (("a", "b"),), "narrative": ("rash",)},
    ]
    assert source.judged()[0].documents == {"COCO/corpus/9": ("record",)}


ROWS: Mapping[str, tuple[str, list[Any], str]] = {
    "both blank": (
        "queries",
        [QUERIES[0], {"query_id": "5", "text": " ", "image": None}],
        "line 2: image and text of '5'",
    ),
    "no id": ("corpus", [{"corpus_id": None, "text": "a"}], "line 1: 'corpus_id' is blank"),
    "duplicate id": ("corpus", [CORPUS[0], CORPUS[0]], r"line 2: corpus_id '0' is taken by .*corpus\.jsonl, line 1"),
    "no text": ("queries", [{"query_id": "1", "text": {"a": 1}}], "line 1: column 'text': expected a text or a number"),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_row_that_is_not_sound(root: Path, case: str) -> None:
    file, rows, message = ROWS[case]
    lines(root / f"COCO/{file}.jsonl", rows)
    found = [row for row in MixBench(root / "COCO").rows() if isinstance(row, BrokenRow)]
    assert len(found) == 1
    for refusing in (partial(load_cases, MixBench(root / "COCO")), MixBench(root / "COCO").judged):
        with pytest.raises(DataError, match=rf"{file}\.jsonl, {message}") as error:
            refusing()
        assert str(error.value).count("\n") == 0


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ("1\t7\t1\n", None, "line 2: no document '7'; expected one of the set's 3"),
        ("1\t1\t1\n9\t1\t1\n", None, "line 3: no query '9'; expected one of the set's 2"),
        ("1\t1\t0.5\n", None, r"line 2: score '0\.5', expected a whole number from 0"),
        ("1\t1\t-1\n", None, "line 2: score '-1', expected a whole number from 0"),
        ("1\t1\t1\n1\t1\t2\n", None, "line 3: '1' and '1' were judged before"),
        ("1\t1\n", None, "line 2: 2 fields, expected 3 as in the header"),
        ("1\t1\t1\n", "query-id\tcorpus-id\tscore\n", "line 1: expected the header query_id, corpus_id, score"),
        ("", "", "line 1: expected the header query_id, corpus_id, score, separated by tabs, found nothing"),
    ],
)
def test_relevance_that_cannot_be_used(root: Path, rows: str, header: str | None, message: str) -> None:
    judge(root / "COCO", rows, **({} if header is None else {"header": header}))
    with pytest.raises(DataError, match=rf"^{root}/COCO/qrels/qrels\.tsv, {message}") as error:
        MixBench(root / "COCO").judged()
    assert str(error.value).count("\n") == 0


def test_documents_that_are_searched_are_those_of_the_corpus(root: Path) -> None:
    lines(root / "COCO/mixed_corpus.jsonl", [*MIXED, {"corpus_id": "8", "text": "new"}])
    with pytest.raises(DataError, match=r"document '8' shows text, corpus\.jsonl does not have it"):
        MixBench(root).judged()
    lines(root / "COCO/corpus.jsonl", [{**CORPUS[0], "text": None}, *CORPUS[1:]])
    with pytest.raises(DataError, match=r"document '0' shows text, corpus\.jsonl has image; write both"):
        MixBench(root).judged()


@pytest.mark.parametrize("file", ["corpus.jsonl", "mixed_corpus.jsonl", "qrels/qrels.tsv", "images/2.png"])
def test_a_file_that_is_missing(root: Path, file: str) -> None:
    (root / "COCO" / file).unlink()
    with pytest.raises(DataError, match=rf"{Path(file).name}: no such (file|image)"):
        _load(MixBench(root / "COCO"))


def test_a_folder_that_holds_no_set(root: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        list(MixBench(root / "gone").rows())
    with pytest.raises(DataError, match=r"neither queries\.jsonl in it nor in a folder of it"):
        list(MixBench(root / "COCO/images").rows())
    with pytest.raises(UsageError, match="no set 'OVEN'; there are COCO, WIT"):
        list(MixBench(root, sets=["OVEN"]).rows())


def test_keys_that_are_not_there(root: Path) -> None:
    lines(root / "COCO/queries.jsonl", [{"_id": "1", "text": "a"}])
    with pytest.raises(
        DataError, match=r"queries\.jsonl: expected the key 'query_id' in every line, found '_id', 'text'"
    ):
        list(MixBench(root / "COCO").rows())
    lines(root / "COCO/queries.jsonl", [{"query_id": "1", "caption": "a"}])
    with pytest.raises(DataError, match="expected 'image' or 'text' beside 'query_id', found 'query_id', 'caption'"):
        list(MixBench(root / "COCO").rows())
