"""How relevant one row's case is to another's, graded in [0, 1], from labels or concepts."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from torch import Tensor

from closegap.metrics.positives import codes

Relevance: TypeAlias = Callable[[Int[Tensor, "q"], Int[Tensor, "g"]], Float[Tensor, "q g"]]
"""Relevance in [0, 1] of rows of the set (second) to rows of the set (first), both given by number."""


def label_relevance(labels: Sequence[str]) -> Relevance:
    """Relevance 1 between rows of one label, 0 between others; a row without a label ("") is relevant to none.

    Args:
        labels: one per row of the set.

    Example:
        >>> relevance = label_relevance(["mri", "ct", "mri", ""])
        >>> relevance(torch.tensor([0, 3]), torch.arange(4)).tolist()
        [[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    numbers = codes(["", *labels])[1:]

    def relevance(queries: Int[Tensor, "q"], items: Int[Tensor, "g"]) -> Float[Tensor, "q g"]:
        of_queries, of_items = numbers[queries, None], numbers[items]
        return ((of_queries == of_items) & (of_queries != 0)).float()

    return relevance


def concept_relevance(concepts: Sequence[tuple[str, ...]]) -> Relevance:
    """Jaccard overlap of the rows' concept sets, |a and b| / |a or b|; 0 where either is empty.

    Args:
        concepts: the concept set of each row of the set.

    Example:
        >>> relevance = concept_relevance([("lung", "mass"), ("lung",), ()])
        >>> relevance(torch.tensor([0]), torch.arange(3)).tolist()
        [[1.0, 0.5, 0.0]]
    """
    sets = [sorted(set(row)) for row in concepts]
    numbers = codes([concept for row in sets for concept in row]).numpy()
    ends = np.cumsum([0, *(len(row) for row in sets)])
    width = 1 + int(numbers.max(initial=0))
    members = csr_array((np.ones(len(numbers), dtype=np.float32), numbers, ends), shape=(len(sets), width))
    sizes = torch.tensor([len(row) for row in sets], dtype=torch.float32)

    def relevance(queries: Int[Tensor, "q"], items: Int[Tensor, "g"]) -> Float[Tensor, "q g"]:
        common = torch.from_numpy((members[queries.numpy()] @ members[items.numpy()].T).toarray())
        union = sizes[queries, None] + sizes[items] - common
        return common / union.clamp(min=1)

    return relevance
