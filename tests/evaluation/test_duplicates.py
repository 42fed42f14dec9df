"""Rows that equal those of another case are said to be each other's negatives."""

import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.evaluation.duplicates import duplicate_notes, equal_rows_notes
from closegap.evaluation.report import Report


def test_equal_rows_of_different_cases_are_counted() -> None:
    rows = torch.nn.functional.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    text = rows.clone()
    text[3], text[5] = text[0], text[4]  # rows 4 and 5 are of one case
    found = EmbeddingSet({"image": rows, "text": text}, ["a", "b", "c", "d", "e", "e"])
    (note,) = equal_rows_notes(found)
    assert note.startswith(
        "2 of 5 cases have a row of text that equals another case's: they are each other's negatives"
    )
    assert equal_rows_notes(EmbeddingSet({"image": rows, "text": rows}, list("abcdef"))) == []


def test_the_report_says_how_many_cases_share_an_item() -> None:
    data = {"split": "test", "cases": 183, "duplicates": {"report": {"cases": 82}}}
    (note,) = duplicate_notes(Report([], data=data))
    assert note.startswith("82 of 183 test cases share their report with another case: they are each other's negatives")
    assert duplicate_notes(Report([])) == []
