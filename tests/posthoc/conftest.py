"""Embedding sets with a gap, for the tests of post-hoc methods."""

from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch
from torch.nn.functional import normalize

from closegap.embeddings.embedding_set import EmbeddingSet

MakeSet: TypeAlias = Callable[..., EmbeddingSet]


@pytest.fixture
def make_set() -> MakeSet:
    """A maker of sets whose modalities share their cases and sit apart by `gap`."""

    def make(
        n: int = 60,
        width: int = 8,
        modalities: tuple[str, ...] = ("image", "caption"),
        seed: int = 0,
        gap: float = 1.0,
        prefix: str = "train",
        dtype: torch.dtype = torch.float64,
        absent: float = 0.0,
    ) -> EmbeddingSet:
        world = torch.Generator().manual_seed(1234)  # where modalities sit: the same for every split
        split = torch.Generator().manual_seed(seed)
        cases = torch.randn(n, width, generator=split, dtype=torch.float64)
        embeddings, present = {}, {}
        for index, name in enumerate(modalities):
            place = torch.randn(width, generator=world, dtype=torch.float64)
            stretch = 0.5 + torch.rand(width, generator=world, dtype=torch.float64)
            noise = torch.randn(n, width, generator=split, dtype=torch.float64)
            rows = normalize((cases + 0.3 * gap * noise) * stretch**gap + gap * place, dim=1)
            have = torch.rand(n, generator=split) >= (absent if index else 0)
            embeddings[name] = (rows * have[:, None]).to(dtype)
            present[name] = have
        return EmbeddingSet(
            embeddings,
            ids=[f"{prefix} {row}" for row in range(n)],
            present=present,
            groups=[f"article {row // 2}" for row in range(n)],
            labels={"organ": ["lung" if row % 2 else "heart" for row in range(n)]},
            concepts=[(f"C{row % 5}",) for row in range(n)],
            meta={"split": prefix},
        )

    return make
