"""How far every way of computing the losses is from the plain one in float64: values and gradients.

    python benchmarks/agreement.py

InfoNCE + Align True Pairs + Centroid Uniformity of 150 cases with groups. Gradients, of both modalities and of the
temperature, are compared by the norm of their difference over their norm, the largest of the three. Kernels run in
Triton's interpreter where there is no GPU. The cached step is compared with the plain step of the same small model with
dropout, in the gradient of every parameter. A difference above its tolerance ends the command with exit code 1.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from measure import apart, options, write
from torch import Tensor, nn
from torch.multiprocessing.spawn import start_processes
from torch.nn.functional import normalize

from closegap.batch import Batch
from closegap.distributed import AllProcesses, gather_batch, rank, world_size
from closegap.losses import GapClosing, dividing_work, info_nce, tiling, true_pair_distance, uniformity
from closegap.losses.tiled import tiled_info_nce, tiled_uniformity
from closegap.training.cached_step import cached_step
from closegap.training.step import contrastive_step

N, D, TILE = 150, 32, 64  # tiles that do not divide the batch
MICRO_BATCH = 64
Form = tuple[Callable[..., Tensor], Callable[..., Tensor]]
Result = list[Tensor]  # value, gradients


def batch(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two modalities, the temperature, groups."""
    generator = torch.Generator().manual_seed(0)
    a = normalize(torch.randn(N, D, generator=generator, dtype=torch.float64), dim=1)
    b = normalize(a + 0.5 * torch.randn(N, D, generator=generator, dtype=torch.float64), dim=1)
    groups = torch.randint(N // 2, (N,), generator=generator)
    return a.to(dtype), b.to(dtype), torch.tensor(0.07, dtype=max(dtype, torch.float32, key=_bits)), groups


def result(form: Form, dtype: torch.dtype, like: torch.dtype | None = None) -> Result:
    """Value and gradients of one form, of inputs rounded to `like`. Of several processes, each has some of the rows."""
    contrastive, spread = form
    a, b, tau, groups = batch(like or dtype)
    a, b, tau = a.to(dtype), b.to(dtype), tau.to(max(dtype, torch.float32, key=_bits))
    mine = slice(N * rank() ** 2 // world_size() ** 2, N * (rank() + 1) ** 2 // world_size() ** 2)  # uneven
    leaves = [a[mine].clone().requires_grad_(), b[mine].clone().requires_grad_(), tau.requires_grad_()]
    everything, _, all_groups = gather_batch({"a": leaves[0], "b": leaves[1]}, {}, groups[mine])
    first, second = everything.values()
    with dividing_work(AllProcesses()):
        mu = normalize((first.double() + second.double()) / 2, dim=1).to(dtype)
        value = contrastive(first, second, leaves[2], groups=all_groups) + spread(mu, groups=all_groups)
        value = value + true_pair_distance(first, second)
    gradients = torch.autograd.grad(value, leaves)
    return [value.detach(), *(gradient / world_size() for gradient in gradients)]  # the mean that DDP takes


def plain(dtype: torch.dtype, like: torch.dtype | None = None) -> Result:
    return result((info_nce, uniformity), dtype, like)


def tiled(dtype: torch.dtype) -> Result:
    with tiling(side=TILE):
        return result((tiled_info_nce, tiled_uniformity), dtype)


def kernel(dtype: torch.dtype) -> Result:
    """The kernels; the process has to know from its start that it interprets."""
    if torch.cuda.is_available():
        with torch.device("cuda"):
            return [part.cpu() for part in tiled(dtype)]
    with (
        patch("closegap.losses.tiles.kernels_apply", lambda _: True),  # of float32 rows too
        patch("closegap.losses.kernels.tiles.product", lambda weights, rows: weights.float() @ rows.float()),
    ):
        return tiled(dtype)


def on_processes(count: int) -> Result:
    """The tiled form in float64, divided among gloo processes: the value, and gradients of all rows in order."""
    with tempfile.TemporaryDirectory() as folder:
        start_processes(_process, (count, Path(folder)), nprocs=count, start_method="spawn")  # type: ignore[no-untyped-call]
        parts = [torch.load(Path(folder) / f"{number}.pt") for number in range(count)]
    rows = [torch.cat([part[which] for part in parts]) for which in (1, 2)]
    return [parts[0][0], *rows, sum(part[3] for part in parts)]


def _process(number: int, count: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=number, world_size=count)
    torch.save(tiled(torch.float64), folder / f"{number}.pt")
    dist.destroy_process_group()


class Towers(nn.Module):
    """Two towers with dropout."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.towers = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(D, 48), nn.GELU(), nn.Dropout(0.2), nn.Linear(48, D)) for name in "ab"}
        )
        self.log_temperature = nn.Parameter(torch.tensor(0.07).log())
        self.double()

    def forward(self, given: Batch, progress: float) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        rows = {name: normalize(tower(given.inputs[name]), dim=1) for name, tower in self.towers.items()}
        return rows, {}, self.log_temperature.exp()


def step(micro_batch: int | None) -> Result:
    """Total and gradients of a training step of a small model."""
    a, b, _, groups = batch(torch.float64)
    rows = torch.arange(N)
    given, model, loss = Batch({"a": a, "b": b}, {"a": rows, "b": rows}, groups), Towers(), GapClosing()
    torch.manual_seed(1)
    if micro_batch:
        terms, _ = cached_step(model, loss, given, 0.0, True, micro_batch)
    else:
        parts = given.split(MICRO_BATCH)  # dropout is drawn by micro-batch in both

        def embed(_: Batch, progress: float) -> Any:
            found = [model(part, progress) for part in parts]
            return {name: torch.cat([one[0][name] for one in found]) for name in "ab"}, {}, found[0][2]

        terms, _ = contrastive_step(embed, loss, given, 0.0, True)
        torch.stack(list(terms.values())).sum().backward()
    total = torch.stack(list(terms.values())).sum().detach()
    return [total, *(parameter.grad for parameter in model.parameters() if parameter.grad is not None)]


def compared(path: str, found: Result, expected: Result, tolerance: float) -> dict[str, Any]:
    value = abs(found[0].double() - expected[0].double()) / abs(expected[0].double())
    pairs = zip(found[1:], expected[1:], strict=True)
    gradient = max(float((one.double() - other.double()).norm() / other.double().norm()) for one, other in pairs)
    within = max(float(value), gradient) <= tolerance
    return {"path": path, "value": float(value), "gradient": gradient, "tolerance": tolerance, "within": within}


def _bits(dtype: torch.dtype) -> int:
    return torch.finfo(dtype).bits


def rows() -> Sequence[dict[str, Any]]:
    exact, single, half = torch.float64, torch.float32, torch.bfloat16
    reference = plain(exact)
    where = "on a GPU" if torch.cuda.is_available() else "in the interpreter"
    if not torch.cuda.is_available():
        os.environ["TRITON_INTERPRET"] = "1"  # for the processes that are started from here
    return [
        compared("plain, float32", plain(single), reference, 1e-5),
        compared("tiled, float64", tiled(exact), reference, 1e-12),
        compared("tiled, float32", tiled(single), reference, 1e-5),
        *(
            compared(f"kernels {where}, {dtype}".replace("torch.", ""), apart(kernel, dtype), plain(exact, dtype), most)
            for dtype, most in ((single, 1e-5), (half, 1e-2))
            if dtype == half or not torch.cuda.is_available()
        ),
        *(
            compared(f"tiled, float64, {n} process{'es' if n > 1 else ''}", on_processes(n), reference, 1e-12)
            for n in (1, 2, 4)
        ),
        compared("cached step, float64, dropout", step(MICRO_BATCH), step(None), 1e-12),
    ]


def main() -> None:
    given = options(__doc__)
    found = rows()
    write("agreement", found, ["path", "value", "gradient", "tolerance", "within"], given.out)
    sys.exit(0 if all(row["within"] for row in found) else 1)


if __name__ == "__main__":
    main()
