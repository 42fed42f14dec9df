"""A step in bfloat16 hands its losses rows for the Triton kernels where these run, and float32 rows elsewhere."""

from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context

import pytest
import torch
from tests.training.tiny import TinySource, fixed, tiny_encoders
from torch import Tensor

from closegap.data.loader import Draws, GlobalBatches, group_numbers, views
from closegap.data.orders import shuffled
from closegap.losses import GapClosing, tiling
from closegap.models import Model
from closegap.training.step import contrastive_step, for_kernels

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")

N = 40
TOLERANCE = 2e-2  # of rows and weights rounded to bfloat16, relative to the norm of the whole gradient


def step(above: int) -> tuple[Tensor, Tensor]:
    """Total and gradient of a step in bfloat16, some records missing; tiles of more rows than `above`."""
    torch.manual_seed(1)
    encoders = tiny_encoders(dropout=0.0)
    model = Model({name: encoders[name] for name in ("report", "record")}, dim=16, temperature=fixed())
    cases = [case for case in TinySource(train=N).rows() if case.split == "train"]
    found = {name: views(cases, name) for name in model.modalities}
    draws = Draws(found, group_numbers([case.group for case in cases]), model.preparers(), 0)
    batch = draws.__getitems__(next(iter(GlobalBatches(N, N, 1, shuffled(N, 0)))))
    with torch.autocast("cpu", torch.bfloat16), tiling(above=above):
        terms, _ = contrastive_step(model, GapClosing(), batch, 0.0, mask_groups=True)
    total = torch.stack(list(terms.values())).sum()
    total.backward()  # type: ignore[no-untyped-call]
    gradients = [one.grad.flatten() for one in model.parameters() if one.grad is not None]
    return total.detach(), torch.cat(gradients)


def step_by_kernels() -> tuple[int, tuple[Tensor, Tensor]]:
    """How often tiles were taken by kernels, and the step, in a process that interprets them from its start."""
    from closegap.losses.kernels.tiles import KernelTiles

    built = []

    class Counted(KernelTiles):
        def __init__(self, *given: object) -> None:
            built.append(1)
            super().__init__(*given)  # type: ignore[arg-type]

    patch = pytest.MonkeyPatch()
    patch.setattr("closegap.losses.kernels.tiles.KernelTiles", Counted)
    # a product of bfloat16 in float32 is a GPU's
    patch.setattr("closegap.losses.kernels.tiles.product", lambda weights, rows: weights.float() @ rows.float())
    found = step(above=8)
    return len(built), found


def test_a_step_by_kernels_agrees_with_float32() -> None:
    total, gradient = step(above=8)
    with pytest.MonkeyPatch.context() as patch, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        patch.setenv("TRITON_INTERPRET", "1")
        built, (found, by_kernels) = pool.submit(step_by_kernels).result()
    assert built >= 3  # InfoNCE, forward and backward, and uniformity
    assert float(found) == pytest.approx(float(total), rel=TOLERANCE)
    assert float((by_kernels - gradient).norm()) <= TOLERANCE * float(gradient.norm())
    assert not torch.equal(by_kernels, gradient)


@pytest.mark.parametrize(
    ("autocast", "above", "available", "expected"),
    [
        (True, 4, True, torch.bfloat16),
        (True, 4, False, torch.float32),
        (False, 4, True, torch.float32),
        (True, 5, True, torch.float32),
    ],
)
def test_rows_are_rounded_for_kernels_alone(
    monkeypatch: pytest.MonkeyPatch, autocast: bool, above: int, available: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr("closegap.losses.kernels.INTERPRETED", available)
    rows = {"image": torch.eye(5), "report": torch.eye(5)}
    with torch.autocast("cpu", torch.bfloat16, autocast), tiling(above=above):
        found = for_kernels(rows)
    assert {one.dtype for one in found.values()} == {expected}
    assert (found is rows) == (expected == torch.float32)
