"""The Triton kernels equal the plain forms: on a GPU where there is one, in Triton's interpreter otherwise.

In the interpreter also for float32 rows, whose sums show an error that bfloat16 would hide.
"""

from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context

import pytest
import torch
from tests.losses.arms import draw
from tests.losses.test_tiled import both
from torch import Tensor

from closegap.losses import dividing_work, info_nce, tiling, uniformity
from closegap.losses.kernels import kernels_apply, kernels_available
from closegap.losses.tiled import tiled_info_nce, tiled_uniformity

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TOLERANCES = {torch.bfloat16: 1e-2} | ({torch.float32: 1e-5} if DEVICE == "cpu" else {})
SIZES = {"one": (1, 5), "two": (2, 5), "a block": (32, 16), "uneven": (70, 20)}
TILE = 50  # two tiles a side, each of them more than a block
CASES = [
    (size, tau, missing, groups, dtype)
    for size in SIZES
    for tau, missing, groups in ((0.07, 0.0, 0), (0.01, 0.3, 0), (0.5, 0.0, 6), (0.2, 0.3, 6))
    for dtype in TOLERANCES
]
DIVIDED, SIZES_OF_WORLDS = ("uneven", 0.2, 0.3, 6, list(TOLERANCES)[-1]), (2, 3)
Case = tuple[str, float, float, int, torch.dtype]
Results = tuple[dict[Case, dict[str, list[Tensor]]], dict[int, dict[str, list[Tensor]]]]


def inputs(case: Case) -> tuple[Tensor, Tensor, Tensor | None]:
    """The rows that two modalities share, as leaves, and their groups."""
    size, _, missing, groups, dtype = case
    n, d = SIZES[size]
    batch = draw(3, n=n, d=d, m=2, missing=missing, groups=groups, dtype=dtype)
    *sides, numbers = both(batch)
    a, b = (rows.detach().to(DEVICE).requires_grad_() for rows in sides)
    return a, b, None if numbers is None else numbers.to(DEVICE)


def by_kernel(case: Case) -> dict[str, list[Tensor]]:
    """Values and gradients, by the kernels."""
    a, b, groups = inputs(case)
    tau = torch.tensor(case[1], device=DEVICE, requires_grad=True)
    with tiling(side=TILE):
        value = tiled_info_nce(a, b, tau, groups)
        contrastive = [value, *torch.autograd.grad(value, [a, b, tau])]
        value = tiled_uniformity(a, groups)
        spread = [value, *torch.autograd.grad(value, [a])]
    return {"contrastive": [part.detach() for part in contrastive], "uniformity": [part.detach() for part in spread]}


class Recorded:
    """One of several processes that run one after the other: what they share is what all gave the time before."""

    def __init__(self, rank: int, size: int, shared: dict[int, Tensor]) -> None:
        self.rank, self.size, self.shared = rank, size, shared
        self.given: list[tuple[str, Tensor]] = []

    def sum(self, values: Tensor) -> Tensor:
        return self._shared("sum", values)

    def max(self, values: Tensor) -> Tensor:
        return self._shared("amax", values)

    def _shared(self, reduction: str, values: Tensor) -> Tensor:
        self.given.append((reduction, values.detach().clone()))
        return self.shared.get(len(self.given) - 1, values)


def divided(case: Case, size: int) -> dict[str, list[Tensor]]:
    """Mean over processes of values and gradients, the way that data-parallel training takes it."""
    shared: dict[int, Tensor] = {}
    for _ in range(3):  # the first round learns the maxima, the second the sums
        found, processes = [], [Recorded(rank, size, shared) for rank in range(size)]
        for process in processes:
            with dividing_work(process):
                found.append(by_kernel(case))
        calls = enumerate(zip(*(process.given for process in processes), strict=True))
        shared = {number: getattr(torch.stack([part for _, part in call]), call[0][0])(0) for number, call in calls}
    return {
        name: [torch.stack([one[name][i] for one in found]).mean(0) for i in range(len(parts))]
        for name, parts in found[0].items()
    }


def by_kernels() -> tuple[list[dict[str, list[Tensor]]], dict[int, dict[str, list[Tensor]]]]:
    """All cases, and one by several processes, in a process that knows from its start whether it interprets."""
    if DEVICE == "cpu":
        patch = pytest.MonkeyPatch()
        patch.setattr("closegap.losses.tiles.kernels_apply", lambda _: True)  # of float32 rows too
        patch.setattr("closegap.losses.kernels.tiles.product", lambda weights, rows: weights.float() @ rows.float())
    return [by_kernel(case) for case in CASES], {size: divided(DIVIDED, size) for size in SIZES_OF_WORLDS}


def plain(case: Case) -> dict[str, list[Tensor]]:
    """Values and gradients of the same rows, in float64."""
    a, b, groups = inputs(case)
    a, b = a.detach().double().requires_grad_(), b.detach().double().requires_grad_()
    tau = torch.tensor(case[1], device=DEVICE, dtype=torch.float64, requires_grad=True)
    value = info_nce(a, b, tau, groups)
    spread = uniformity(a, groups)
    return {
        "contrastive": [value.detach(), *torch.autograd.grad(value, [a, b, tau])],
        "uniformity": [spread.detach(), *torch.autograd.grad(spread, [a])],
    }


@pytest.fixture(scope="module")
def results() -> Results:
    with pytest.MonkeyPatch.context() as patch, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        if DEVICE == "cpu":
            patch.setenv("TRITON_INTERPRET", "1")
        found, by_several = pool.submit(by_kernels).result()
    return dict(zip(CASES, found, strict=True)), by_several


def _check(found: dict[str, list[Tensor]], case: Case) -> None:
    expected = plain(case)
    for name, parts in found.items():
        for part, reference in zip(parts, expected[name], strict=True):
            assert part.isfinite().all()
            error = (part.double() - reference).norm()
            assert error <= TOLERANCES[case[-1]] * reference.norm() + 1e-6, name


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_kernels_equal_the_plain_forms(results: Results, case: Case) -> None:
    _check(results[0][case], case)


@pytest.mark.parametrize("size", SIZES_OF_WORLDS)
def test_processes_divide_the_rows(results: Results, size: int) -> None:
    _check(results[1][size], DIVIDED)


@pytest.mark.parametrize(("capability", "available"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_kernels_are_for_gpus_that_multiply_bfloat16(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], available: bool
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: capability)
    assert kernels_available(torch.device("cuda")) == available
    assert not kernels_available(torch.device("cpu"))


def test_kernels_are_for_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("closegap.losses.kernels.INTERPRETED", True)
    assert kernels_apply(torch.empty(2, 8, dtype=torch.bfloat16))
    assert not kernels_apply(torch.empty(2, 8, dtype=torch.float16))
    assert not kernels_apply(torch.empty(2, 8))
