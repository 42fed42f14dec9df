"""Search of one index of several modalities by judged queries: how much is relevant, and who is in front."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from torch import Tensor

from closegap.metrics.index import MixedIndex
from closegap.metrics.mixed_graded import ndcg
from closegap.metrics.positives import Rows
from closegap.metrics.relevance import Relevance


def judged_relevance(judged: Sequence[tuple[int, int, float]], rows: int) -> Relevance:
    """The grades that somebody gave; 0 of what was not judged.

    Args:
        judged: row of the query, row of the item, grade above 0; each pair once.
        rows: how many the set has.

    Example:
        >>> relevance = judged_relevance([(0, 2, 3.0)], rows=3)
        >>> relevance(torch.tensor([0]), torch.tensor([1, 2])).tolist()
        [[0.0, 3.0]]
    """
    queries, items, grades = zip(*judged, strict=True) if judged else ((), (), ())
    given = csr_array((grades, (queries, items)), shape=(rows, rows), dtype="float32")

    def relevance(queries: Int[Tensor, "q"], items: Int[Tensor, "g"]) -> Float[Tensor, "q g"]:
        return torch.from_numpy(given[queries.numpy()][:, items.numpy()].toarray())

    return relevance


def judged_search(
    queries: Rows, index: MixedIndex, relevance: Relevance, answer: float, k: int = 10
) -> dict[str, Float[Tensor, "q"]]:
    """What each query finds in an index that does not hold it, NaN where there is nothing to find.

    Args:
        queries: of one modality.
        index: of the documents, each in the modality in which it is searched.
        relevance: grades of documents, by row of the set.
        answer: the grade of an answer; documents of lower grades are relevant without being it.
        k: how many found documents count.

    Returns:
        `ndcg@k`, whose ideal order is that of all documents. `ndcg@k_of_found`, whose ideal is that of the k found,
        0 where none of them is relevant: it does not ask what was missed. `R@k`, whether an answer is among the k.
        `own_modality_share`, that of the query's modality among the k, and `expected_own_share`, that in the index.

    Reference:
        `ndcg@k_of_found` is what the evaluation script of arXiv:2507.19054 computes; with one relevant document for
        each query it is `ndcg@k`.
    """
    items = index.nearest(queries, k)
    numbers = torch.cat([part.index for part in index.parts])
    grades = relevance(queries.index, numbers)
    found = grades.gather(1, items)
    ideal = grades.topk(items.shape[1], dim=1).values
    relevant, own = ideal[:, 0] > 0, index.are_of(items, queries.modality).double().mean(1)
    expected = sum(len(part.cases) for part in index.parts if part.modality == queries.modality) / len(numbers)
    of_found = ndcg(found, found.sort(dim=1, descending=True).values).nan_to_num()
    return {
        f"ndcg@{k}": ndcg(found, ideal),
        f"ndcg@{k}_of_found": of_found.where(relevant, torch.nan),
        f"R@{k}": (found >= answer).any(1).double().where(ideal[:, 0] >= answer, torch.nan),
        "own_modality_share": own,
        "expected_own_share": torch.full_like(own, expected),
    }


def answers_across(
    queries: Rows, index: MixedIndex, documents: Mapping[str, Rows], relevance: Relevance, answer: float, k: int = 10
) -> Float[Tensor, "q"]:
    """R@k of each query among as many documents, all in the modality in which the index holds its answer.

    What R@k of `judged_search` would be if nothing were mixed: their ratio is 1 where mixing costs nothing. NaN where
    the index holds no answer; the first part that holds one counts.

    Args:
        queries: of one modality.
        index: of `judged_search`.
        documents: modality to all documents in it.
        relevance: of `judged_search`.
        answer: of `judged_search`.
        k: how many found documents count.
    """
    found = torch.full((len(queries.cases),), torch.nan, dtype=torch.float64)
    for part in index.parts:
        if not len(part.cases):
            continue
        held = (relevance(queries.index, part.index) >= answer).any(1) & found.isnan()
        if held.any():
            alone = MixedIndex([documents[part.modality]])
            found[held] = judged_search(queries.pick(held), alone, relevance, answer, k)[f"R@{k}"]
    return found
