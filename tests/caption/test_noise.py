import math

import pytest
import torch

from closegap.caption import noisy


@pytest.mark.parametrize("dim", [64, 512])
@pytest.mark.parametrize("length", [0.5, 1.0, 3.0])
def test_noise_has_its_length_whatever_the_width(dim: int, length: float) -> None:
    torch.manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(4000, dim), dim=1)
    found = noisy(rows, length)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4000))
    cosine = float((found * rows).sum(1).mean())
    assert cosine == pytest.approx(1 / math.sqrt(1 + length**2), abs=0.02)


def test_no_noise_is_nothing() -> None:
    rows = torch.eye(3)
    assert noisy(rows, 0.0) is rows
