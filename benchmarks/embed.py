"""`closegap embed` of a folder of images: cases per second, beside the tower alone on inputs that are ready.

    python benchmarks/embed.py --cases 512 --size 112

The tower is a ViT of timm with random weights; the images are JPEG files of 512 pixels. Embedding in parts adds to the
tower decoding, resizing, and writing every part to disk; `ratio` is what is left of the tower's own rate. Large images
are of 4,000 x 4,000 pixels: PNG in RGB, RGBA and 16 bits, and JPEG. `peak_mib` is all that the process held at most.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from inputs import write_images
from measure import apart, measured, options, peak, write
from PIL import Image

from closegap.data import ImageFolder
from closegap.infer.parts import embed_in_parts
from closegap.runs.config import parse_run, save_config
from closegap.runs.log import Nobody
from closegap.runs.open import open_run
from closegap.runs.run import build
from closegap.training.trainer import Trainer

VIT = "vit_tiny_patch16_224"
LARGE = "closegap embed, large images"


def write_run(folder: Path, size: int) -> Path:
    """A run of one step on phantoms, with the tower."""
    vit = {"name": VIT, "weights": "random", "trained_blocks": "null", "size": str(size)}
    towers = {"image": ("TimmImageEncoder", vit), "report": ("SmallTextEncoder", {"dim": "16", "heads": "2"})}
    words = ["--data", "closegap.phantom.Phantoms", "--data.cases", "48", "--data.size", "64"]
    for name, (tower, arguments) in towers.items():
        words += [f"--model.encoders.{name}", f"closegap.models.{tower}"]
        words += [word for key, value in arguments.items() for word in (f"--model.encoders.{name}.{key}", value)]
    words += [
        "--train.steps",
        "1",
        "--train.batch_size",
        "4",
        "--train.trackers",
        "[]",
        "--train.cache_features",
        "false",
    ]
    config = parse_run(words)
    save_config(config, folder)
    Trainer(build(config), folder, Nobody()).train()
    return folder


def measure(form: str, cases: int, size: int, part: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["CLOSEGAP_CACHE"] = str(folder / "cache")
        run = write_run(folder / "run", size)
        (folder / "images").mkdir()
        if form == LARGE:
            write_large(folder / "images", cases)
        else:
            write_images(folder / "images", "", 512, cases)
        work = _tower(run, cases, size) if form == "tower alone" else _in_parts(run, folder, part)
        costs = measured(work, repeats=1 if form == LARGE else 3)
    return {**costs, "cases_per_s": cases / costs["seconds"], "peak_mib": peak() / 2**20}


def write_large(folder: Path, count: int) -> None:
    """Images of 4,000 x 4,000 pixels in four forms."""
    draw = np.random.default_rng(0)
    for number in range(count):
        grey = np.kron(draw.integers(0, 255, (400, 400), dtype=np.uint8), np.ones((10, 10), np.uint8))
        form = ("RGB", "RGBA", "I;16", "JPEG")[number % 4]
        image = Image.fromarray(grey.astype(np.uint16) * 200 if form == "I;16" else grey)
        if form in ("RGB", "RGBA"):
            image = image.convert(form)
        image.save(folder / f"{number}.{'jpg' if form == 'JPEG' else 'png'}")


def _tower(run: Path, cases: int, size: int) -> Callable[[], None]:
    model, images = open_run(run).run.model.eval(), torch.zeros(cases, 3, size, size, dtype=torch.uint8)

    @torch.no_grad()
    def work() -> None:
        for some in torch.split(images, 256):
            model.encode("image", some)

    return work


def _in_parts(run: Path, folder: Path, part: int) -> Callable[[], None]:
    source, out = ImageFolder(folder / "images"), folder / "images.safetensors"

    def work() -> None:
        out.unlink(missing_ok=True)
        embed_in_parts(open_run(run), "test", out, source=source, part=part)

    return work


def main() -> None:
    given = options(__doc__, cases=512, large=24, size=112, part=128)
    forms = {"tower alone": given.cases, "closegap embed": given.cases, LARGE: given.large}
    rows: list[dict[str, Any]] = [
        {"form": form, "cases": cases, **apart(measure, form, cases, given.size, given.part)}
        for form, cases in forms.items()
    ]
    for row in rows[:2]:
        row["ratio"] = row["cases_per_s"] / rows[0]["cases_per_s"]
    write("embed", rows, ["form", "cases", "cases_per_s", "ratio", "cpu_seconds", "extra_mib", "peak_mib"], given.out)


if __name__ == "__main__":
    main()
