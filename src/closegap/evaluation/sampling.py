"""What is measured on a sample of the cases where there are too many for all."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet

FULL_UP_TO = 50_000
"""Sets of more cases are sampled, unless all is asked for."""

SAMPLE = 10_000
"""Cases in the sample."""

_SEED = 0


def sampled_cases(cases: int) -> Bool[Tensor, "c"]:
    """Which case numbers are in the sample; it depends on how many there are alone, so that arms share it."""
    chosen = torch.zeros(cases, dtype=torch.bool)
    chosen[torch.randperm(cases, generator=torch.Generator().manual_seed(_SEED))[:SAMPLE]] = True
    return chosen


def is_sampled(embeddings: EmbeddingSet, in_full: bool) -> bool:
    """Whether this set is measured on a sample."""
    return not in_full and len(embeddings.ids) > FULL_UP_TO and len(set(embeddings.ids)) > FULL_UP_TO


def sampling_facts(cases: int) -> Mapping[str, Any]:
    """What a report's data say of the sample."""
    return {"cases": min(cases, SAMPLE), "of": cases, "seed": _SEED, "note": sampling_note(cases)}


def sampling_note(cases: int) -> str:
    """What a reader must know."""
    return (
        f"{cases:,} cases: {SAMPLE:,} drawn at random ask the queries of retrieval and of counterpart and balanced "
        "search, each over the full gallery, and their ranks are exact; graded search, grouping, probes, separability, "
        "uniformities and hubness are measured on those cases alone. Intervals include the draw. Gap, cosines, "
        "effective ranks and the Frechet distance are of all cases."
    )
