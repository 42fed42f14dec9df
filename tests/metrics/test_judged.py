"""Judged search, against sorted lists."""

import math

import pytest
import torch
from sklearn.metrics import ndcg_score
from tests.reference import metrics as reference
from torch import Tensor
from torch.nn.functional import normalize

from closegap.metrics.index import MixedIndex
from closegap.metrics.judged import answers_across, judged_relevance, judged_search
from closegap.metrics.positives import Rows

WIDTH, DOCUMENTS, QUERIES = 6, 24, 9


def rows(embeddings: Tensor, first: int, modality: str) -> Rows:
    numbers = torch.arange(first, first + len(embeddings))
    return Rows(embeddings, numbers, numbers, numbers, modality)


def drawn(count: int, seed: int, towards: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    found = torch.randn(count, WIDTH, generator=generator, dtype=torch.float64)
    return normalize(found + towards * torch.eye(WIDTH, dtype=torch.float64)[0], dim=1)


def judged(seed: int) -> list[tuple[int, int, float]]:
    """Grades 1 to 3 of some documents for all queries but the last; every third query has an answer, graded 3."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for query in range(QUERIES - 1):
        for document in torch.randperm(DOCUMENTS, generator=generator)[: 3 + query].tolist():
            found.append((DOCUMENTS + query, document, float(torch.randint(1, 3, (), generator=generator))))
        if query % 3 == 0:
            found[-1] = (*found[-1][:2], 3.0)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_as_sorted_lists(seed: int) -> None:
    parts = [rows(drawn(9, seed, 1), 0, "image"), rows(drawn(15, seed + 50, -1), 9, "text")]
    queries = rows(drawn(QUERIES, seed + 100, -1), DOCUMENTS, "text")
    pairs = judged(seed)
    found = judged_search(queries, MixedIndex(parts), judged_relevance(pairs, DOCUMENTS + QUERIES), 3.0, k=5)
    gallery = torch.cat([part.embeddings for part in parts]).tolist()
    for query, vector in enumerate(queries.embeddings.tolist()):
        grades = {document: grade for asking, document, grade in pairs if asking == DOCUMENTS + query}
        ranking = reference.ranking(vector, gallery)[:5]
        of_found, everything = [grades.get(i, 0.0) for i in ranking], [grades.get(i, 0.0) for i in range(DOCUMENTS)]
        assert float(found["own_modality_share"][query]) == sum(i >= 9 for i in ranking) / 5
        assert float(found["expected_own_share"][query]) == 15 / 24
        if not grades:
            assert all(math.isnan(float(found[name][query])) for name in ("ndcg@5", "ndcg@5_of_found", "R@5"))
            continue
        assert float(found["ndcg@5"][query]) == pytest.approx(reference.ndcg(of_found, everything, 5))
        cosines = [reference.dot(vector, gallery[i]) for i in ranking]
        assert float(found["ndcg@5_of_found"][query]) == pytest.approx(ndcg_score([of_found], [cosines], k=5))
        hit = float(found["R@5"][query])
        assert math.isnan(hit) if 3.0 not in grades.values() else hit == float(3.0 in of_found)


def test_with_one_relevant_document_both_ideals_agree() -> None:
    parts = [rows(drawn(12, 0), 0, "image"), rows(drawn(12, 1), 12, "text")]
    queries = rows(drawn(QUERIES, 2), DOCUMENTS, "image")
    pairs = [(DOCUMENTS + query, 2 * query, 1.0) for query in range(QUERIES)]
    found = judged_search(queries, MixedIndex(parts), judged_relevance(pairs, DOCUMENTS + QUERIES), 1.0)
    assert torch.allclose(found["ndcg@10"], found["ndcg@10_of_found"])
    assert 0 < float(found["ndcg@10"].mean()) < 1


def test_answers_are_asked_for_among_as_many_documents_of_their_modality() -> None:
    image, text = drawn(DOCUMENTS, 0, 2), drawn(DOCUMENTS, 1, -2)
    documents = {"image": rows(image, 0, "image"), "text": rows(text, 0, "text")}
    as_image = torch.arange(DOCUMENTS) < 10
    index = MixedIndex([documents["image"].pick(as_image), documents["text"].pick(~as_image)])
    queries = rows(drawn(QUERIES, 3, -2), DOCUMENTS, "text")
    pairs = [(DOCUMENTS + query, 3 * query, 1.0) for query in range(QUERIES - 1)]
    relevance = judged_relevance(pairs, DOCUMENTS + QUERIES)
    found = answers_across(queries, index, documents, relevance, 1.0, k=4)
    for query, vector in enumerate(queries.embeddings.tolist()[:-1]):
        gallery = image if 3 * query < 10 else text
        assert float(found[query]) == float(3 * query in reference.ranking(vector, gallery.tolist())[:4])
    assert math.isnan(float(found[-1]))
    # The gap hides what is stored as an image behind the query's own modality.
    mixed = judged_search(queries, index, relevance, 1.0, k=4)["R@4"]
    assert float(mixed[:4].sum()) == 0
    assert 0 < float(found[:-1].mean()) < 1


def test_nothing_judged() -> None:
    relevance = judged_relevance([], 4)
    assert relevance(torch.arange(2), torch.arange(4)).tolist() == [[0.0] * 4] * 2
