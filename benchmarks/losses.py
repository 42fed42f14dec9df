"""Time and memory of InfoNCE + Align True Pairs + Centroid Uniformity, value and gradient, by form. Prints JSON.

    python benchmarks/losses.py                                      # every form at 8,192 x 512
    python benchmarks/losses.py --rows 65536 --forms tiled --repeats 1

Each form runs in a process of its own. `extra_mib` is the peak of memory beyond what the process held with its inputs
ready. `seconds` are wall time, medians; `cpu_seconds` are of all threads, and steadier on a busy machine.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from closegap.losses import GapClosing, centroids, info_nce, true_pair_distance, uniformity

TAU = 0.07


def pdist(a: Tensor, b: Tensor) -> Tensor:
    """Dense logits, two cross-entropies and torch.pdist of the centroids: how such losses are mostly written."""
    logits, diagonal = a @ b.T / TAU, torch.arange(len(a))
    contrastive = (cross_entropy(logits, diagonal) + cross_entropy(logits.T, diagonal)) / 2
    distances = torch.pdist(normalize((a + b) / 2, dim=1))
    return contrastive + (a - b).square().sum(1).mean() + distances.square().mul(-2).exp().mean().log()


def plain(a: Tensor, b: Tensor) -> Tensor:
    """The plain forms."""
    mu = normalize(centroids({"a": a, "b": b}, {}), dim=1)
    return info_nce(a, b, TAU) + true_pair_distance(a, b) + uniformity(mu)


def tiled(a: Tensor, b: Tensor) -> Tensor:
    """What GapClosing does with a large batch."""
    return torch.stack(list(GapClosing()({"a": a, "b": b}, {}, TAU, 0.0).values())).sum()


FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"pdist": pdist, "plain": plain, "tiled": tiled}


def measure(form: str, rows: int, width: int, repeats: int) -> dict[str, float]:
    """Run one form in this process."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(rows, width, generator=generator) for _ in range(2))
    b += a  # true pairs are closer than others
    for side in (a, b):
        side /= side.norm(dim=1, keepdim=True)
        side.requires_grad_()
    run = FORMS[form]
    torch.autograd.grad(run(a[:64], b[:64]), [a, b])  # loads what is loaded once
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    wall, cpu = [], []
    for _ in range(repeats):
        started, started_cpu = time.perf_counter(), time.process_time()
        value = run(a, b)
        torch.autograd.grad(value, [a, b])
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - started_cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "value": value.item(),
        "seconds": statistics.median(wall),
        "cpu_seconds": statistics.median(cpu),
        "extra_mib": (peak - before) / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--here", action="store_true", help="measure the one form given, in this process")
    options = parser.parse_args()
    sizes = {"rows": options.rows, "width": options.width, "repeats": options.repeats}
    if options.here:
        print(json.dumps(measure(options.forms[0], **sizes)))
        return
    flags = [word for name, size in sizes.items() for word in (f"--{name}", str(size))]
    results = {}
    for form in options.forms:
        command = [sys.executable, __file__, "--here", "--forms", form, *flags]
        results[form] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(json.dumps({**sizes, "threads": torch.get_num_threads(), "forms": results}, indent=1))


if __name__ == "__main__":
    main()
