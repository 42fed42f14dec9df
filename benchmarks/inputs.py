"""Images per second and core: decode, fit into a square, to bytes; ours against a plain torchvision pipeline.

    python benchmarks/inputs.py                                  # generated radiographs
    python benchmarks/inputs.py --images ROCO/data/test/radiology/images

Both read the same JPEG files, scaled to each of `--sides`, in one process of one thread. `difference` is the mean
absolute difference of our pixels (0..255) from those of a full decode: what decoding at a reduced size costs.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import apart, measured, options, write
from PIL import Image
from torchvision.transforms import v2

from closegap.kinds.decoding import load_image, pad_to_square
from closegap.models.towers.image_preparer import ImagePreparer
from closegap.phantom import Phantoms


def write_images(folder: Path, images: str, side: int, count: int) -> list[Path]:
    """JPEG files whose longer side is `side`."""
    if images:
        originals = [Image.open(file).convert("RGB") for file in sorted(Path(images).glob("*.jpg"))[:count]]
    else:
        phantoms = Phantoms(cases=count, size=256)
        originals = [phantoms.case(number).views["image"][0].open().convert("RGB") for number in range(count)]
    files = []
    for number, image in enumerate(originals):
        scale = side / max(image.size)
        files.append(folder / f"{number}.jpg")
        image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC).save(
            files[-1], quality=90
        )
    return files


def torchvision_pipeline(size: int) -> Any:
    """Decode in full, resize the longer side, pad to a square, to bytes."""

    def prepare(files: Sequence[Path]) -> torch.Tensor:
        images = []
        for file in files:
            image = Image.open(file).convert("RGB")
            scale = size / max(image.size)
            height, width = round(image.height * scale), round(image.width * scale)
            left, top = (size - width) // 2, (size - height) // 2
            fit = v2.Compose(
                [
                    v2.Resize((height, width), v2.InterpolationMode.BICUBIC, antialias=True),
                    v2.Pad([left, top, size - width - left, size - height - top]),
                    v2.PILToTensor(),
                ]
            )
            images.append(fit(image))
        return torch.stack(images)

    return prepare


def measure(form: str, images: str, side: int, size: int, count: int) -> dict[str, float]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        files = write_images(Path(temporary), images, side, count)
        prepare = ImagePreparer(size) if form == "closegap" else torchvision_pipeline(size)
        prepare(files[:8])
        costs = measured(lambda: prepare(files))
        exact = [np.asarray(pad_to_square(load_image(file), size)) for file in files[:64]]
        found = prepare(files[:64]).permute(0, 2, 3, 1).numpy()
        difference = float(np.abs(found.astype(int) - np.stack(exact).astype(int)).mean())
    return {**costs, "images_per_s": len(files) / costs["cpu_seconds"], "difference": difference}


def main() -> None:
    given = options(__doc__, images="", sides=[512, 1024, 2048], size=224, count=128)
    rows: list[dict[str, Any]] = []
    for side in given.sides:
        found = [
            {"form": form, "side": side, **apart(measure, form, given.images, side, given.size, given.count)}
            for form in ("torchvision", "closegap")
        ]
        rows += [found[0], {**found[1], "ratio": found[1]["images_per_s"] / found[0]["images_per_s"]}]
    write("inputs", rows, ["form", "side", "images_per_s", "ratio", "difference"], given.out)


if __name__ == "__main__":
    main()
