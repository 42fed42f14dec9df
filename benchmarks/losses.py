"""Time and memory of the losses, value and gradient, over the size of the batch, beside what they replace.

    python benchmarks/losses.py                                        # some minutes on two cores
    python benchmarks/losses.py --rows 65536 --forms tiled --repeats 1
    python benchmarks/losses.py --device cuda --dtype bfloat16 --rows 65536 --forms tiled

`naive`, `plain`, `tiled`: InfoNCE + Align True Pairs + Centroid Uniformity. `naive` is how such losses are mostly
written: dense logits, two cross-entropies and torch.pdist of the centroids. `plain` and `tiled` are ours; `tiled` is
what `GapClosing` takes by itself above 1,024 rows: tiles, or kernels for bfloat16 on a GPU. `open_clip` and `info_nce`:
InfoNCE alone, by open_clip's ClipLoss and by `InfoNCE`. `siglip`, `cyclip`, `uniformity_alignment` and `gram`: the
baselines as they are computed above 1,024 rows, and `dense_` the same with n x n matrices.

`floor_share` is the time that the operations of the tiled form take at the rate of a matrix product of that type on
this machine, measured in the same process, over the time measured: 1 is the floor.
"""

import sys
from collections.abc import Callable
from typing import Any

import torch
from measure import apart, measured, options, write
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from closegap.losses import (
    CyCLIP,
    GapClosing,
    GramVolume,
    InfoNCE,
    Loss,
    SigLIP,
    UniformityAlignment,
    centroids,
    cross_uniformity,
    info_nce,
    tiling,
    true_pair_distance,
    uniformity,
)
from closegap.losses.sigmoid import pair_sigmoid
from closegap.losses.volume import volume_contrast

TAU = 0.07
DENSE_UP_TO = 16384  # rows; dense forms need more memory than most have beyond
OPERATIONS = {"tiled": 11, "info_nce": 8, "siglip": 6, "uniformity_alignment": 20, "gram": 8}  # products, in n^2 d
BASELINES = ("siglip", "cyclip", "uniformity_alignment", "gram")
RATIOS = {"tiled": "naive", "plain": "naive", "info_nce": "open_clip"} | {name: f"dense_{name}" for name in BASELINES}
LINEAR = {"tiled", "info_nce", *BASELINES}  # in memory
COLUMNS = ["form", "rows", "seconds", "extra_mib", "times_faster", "memory_share", "floor_share"]


def naive(a: Tensor, b: Tensor) -> Tensor:
    logits, diagonal = a @ b.T / TAU, torch.arange(len(a), device=a.device)
    contrastive = (cross_entropy(logits, diagonal) + cross_entropy(logits.T, diagonal)) / 2
    distances = torch.pdist(normalize((a + b) / 2, dim=1))
    return contrastive + (a - b).square().sum(1).mean() + distances.square().mul(-2).exp().mean().log()


def plain(a: Tensor, b: Tensor) -> Tensor:
    mu = normalize(centroids({"a": a, "b": b}, {}), dim=1)
    return info_nce(a, b, TAU) + true_pair_distance(a, b) + uniformity(mu)


def of(loss: Loss) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda a, b: torch.stack(list(loss({"a": a, "b": b}, {}, TAU, 0.0).values())).sum()


def open_clip(a: Tensor, b: Tensor) -> Tensor:
    from open_clip.loss import ClipLoss

    loss: Tensor = ClipLoss()(a, b, 1 / TAU)
    return loss


def dense_siglip(a: Tensor, b: Tensor) -> Tensor:
    return pair_sigmoid(a, b, TAU, -10.0)


def dense_cyclip(a: Tensor, b: Tensor) -> Tensor:
    across, inside = a @ b.T - b @ a.T, a @ a.T - b @ b.T
    return info_nce(a, b, TAU) + 0.25 * (across.square().sum() + inside.square().sum()) / len(a)


def dense_uniformity_alignment(a: Tensor, b: Tensor) -> Tensor:
    inside = (uniformity(a) + uniformity(b)) / 2
    return info_nce(a, b, TAU) + true_pair_distance(a, b) + inside + cross_uniformity(a, b)


def dense_gram(a: Tensor, b: Tensor) -> Tensor:
    with tiling(above=len(a)):
        return volume_contrast(a, b[:, None], a.new_ones(len(a), 1, dtype=torch.bool), TAU)


FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "naive": naive,
    "plain": plain,
    "tiled": of(GapClosing()),
    "open_clip": open_clip,
    "info_nce": of(InfoNCE()),
    "dense_siglip": dense_siglip,
    "siglip": of(SigLIP()),
    "dense_cyclip": dense_cyclip,
    "cyclip": of(CyCLIP()),
    "dense_uniformity_alignment": dense_uniformity_alignment,
    "uniformity_alignment": of(UniformityAlignment()),
    "dense_gram": dense_gram,
    "gram": of(GramVolume()),
}


def measure(form: str, rows: int, width: int, repeats: int, device: str, dtype: str) -> dict[str, Any]:
    """Value, time and memory of one form, and the rate of a matrix product."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(rows, width, generator=generator) for _ in range(2))
    b += a  # true pairs are closer than others
    a, b = (normalize(side, dim=1).to(device, getattr(torch, dtype)).requires_grad_() for side in (a, b))
    run, values = FORMS[form], []

    def step() -> None:
        value = run(a, b)
        torch.autograd.grad(value, [a, b])
        values.append(value.item())

    small = [side[:1100].detach().requires_grad_() for side in (a, b)]
    torch.autograd.grad(run(*small), small)  # loads what is loaded once
    found = measured(step, repeats)
    block = torch.randn(1024, width, device=device, dtype=a.dtype)
    product = measured(lambda: [block @ block.T for _ in range(50)], 5)
    rate = 50 * 2 * 1024**2 * width / product["fastest"]
    floor = OPERATIONS[form] * rows**2 * width / rate / found["seconds"] if form in OPERATIONS else None
    return {**found, "value": values[-1], "product_gflop_s": rate / 1e9} | ({"floor_share": floor} if floor else {})


def main() -> None:
    given = options(
        __doc__,
        rows=[1024, 2048, 4096, 8192],
        forms=list(FORMS),
        width=512,
        repeats=3,
        device="cpu",
        dtype="float32",
    )
    rows: list[dict[str, Any]] = []
    for n in given.rows:
        found: dict[str, dict[str, Any]] = {}
        for form in given.forms:
            if n > DENSE_UP_TO and form not in LINEAR:
                continue
            repeats = given.repeats if n <= DENSE_UP_TO else 1
            one = apart(measure, form, n, given.width, repeats, given.device, given.dtype)
            print(f"{form} of {n:,} rows: {one['seconds']:.2f} s", file=sys.stderr)
            found[form] = {"form": form, "rows": n, "width": given.width, "dtype": given.dtype, **one}
            base = found.get(RATIOS.get(form, ""))
            if base is not None:
                found[form]["times_faster"] = base["seconds"] / one["seconds"]
                found[form]["memory_share"] = one["extra_mib"] / base["extra_mib"]
        rows.extend(found.values())
    write("losses", rows, COLUMNS, given.out)


if __name__ == "__main__":
    main()
