"""Full precision: what is raised, what is left alone."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from closegap.losses.precision import full_precision


@full_precision
def product(rows: Tensor | Mapping[str, Tensor], other: Tensor, scale: float = 1.0) -> Tensor:
    return (rows["rows"] if isinstance(rows, Mapping) else rows) @ other * scale


@pytest.mark.parametrize(
    ("given", "computed"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_precision_is_raised_under_autocast_too(given: torch.dtype, computed: torch.dtype) -> None:
    rows = torch.full((2, 2), 1.0009765625, dtype=torch.float64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = [
            product(rows.to(given), rows.to(given)),
            product(rows=rows.to(given), other=rows.to(given)),
            product({"rows": rows.to(given)}, rows.to(given), scale=1.0),
        ]
    expected = rows.to(given).to(computed) @ rows.to(given).to(computed)
    for value in found:
        assert value.dtype == computed
        assert torch.equal(value, expected)
