"""Agreement with frozen outputs of the authors' code, values and gradients."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from closegap.losses import GapClosing, centroid_uniformity, info_nce, true_pair_distance, uniformity

DTYPES = {"float64": (torch.float64, 1e-9), "float32": (torch.float32, 2e-5)}
names = pytest.mark.parametrize("name", ["small", "gap", "tight"])
precisions = pytest.mark.parametrize(("dtype", "tolerance"), DTYPES.values(), ids=DTYPES)


@pytest.fixture(scope="module")
def frozen(golden_folder: Path) -> tuple[Mapping[str, Mapping[str, float]], Mapping[str, Tensor]]:
    values = json.loads((golden_folder / "modgap_936161c.json").read_text())
    arrays = np.load(golden_folder / "modgap_936161c.npz")
    return values, {key: torch.from_numpy(arrays[key]) for key in arrays}


@names
@precisions
def test_values(
    frozen: tuple[Mapping[str, Mapping[str, float]], Mapping[str, Tensor]],
    name: str,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    values, arrays = frozen
    x, y = arrays[f"{name}_x"].to(dtype), arrays[f"{name}_y"].to(dtype)
    ours = {
        "info_nce_tau0.07": info_nce(x, y, 0.07),
        "info_nce_tau0.1": info_nce(x, y, 0.1),
        "lalign": true_pair_distance(x, y),
        "lunif_centroids_normalised": centroid_uniformity({"x": x, "y": y}, {}),
        "lunif_centroids_raw": uniformity((x + y) / 2),
        "lunif_x": uniformity(x),
        "total_nce0.07_align_cu": sum(GapClosing()({"x": x, "y": y}, {}, 0.07, 0.0).values()),
    }
    expected = {key: values[name][key] for key in ours}
    assert {key: float(value) for key, value in ours.items()} == pytest.approx(expected, rel=tolerance)


@names
@precisions
def test_gradients(
    frozen: tuple[Mapping[str, Mapping[str, float]], Mapping[str, Tensor]],
    name: str,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    _, arrays = frozen
    x, y = (arrays[f"{name}_{side}"].to(dtype).requires_grad_() for side in "xy")
    total = sum(GapClosing()({"x": x, "y": y}, {}, 0.07, 0.0).values())
    for side, gradient in zip("xy", torch.autograd.grad(total, [x, y]), strict=True):
        expected = arrays[f"{name}_grad_{side}"]
        assert ((gradient - expected).norm() / expected.norm()).item() < tolerance
        torch.testing.assert_close(gradient.double(), expected, rtol=tolerance, atol=tolerance)
