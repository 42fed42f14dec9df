"""Small random embeddings in which cases have several rows or none of a modality."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

Drawn = tuple[Tensor, Tensor, Tensor, Tensor]


@pytest.fixture
def draw() -> Callable[..., Drawn]:
    """Rows x and y of unit norm in float64, and the cases of each."""

    def drawn(seed: int, n: int = 12, m: int = 17, d: int = 5, cases: int = 9) -> Drawn:
        generator = torch.Generator().manual_seed(seed)
        centres = torch.randn(cases, d, generator=generator, dtype=torch.float64)
        x_cases = torch.randint(cases, (n,), generator=generator)
        y_cases = torch.cat([x_cases[:1], torch.randint(cases, (m - 1,), generator=generator)])
        x = centres[x_cases] + torch.randn(n, d, generator=generator, dtype=torch.float64) + 0.5
        y = centres[y_cases] + torch.randn(m, d, generator=generator, dtype=torch.float64) - 0.5
        return normalize(x, dim=1), normalize(y, dim=1), x_cases, y_cases

    return drawn
