"""Decoding of DICOM files on one core, beside the plain loop over pydicom.

    python benchmarks/dicom.py FOLDER [--rounds 5]

The plain loop reads a file, decodes the frame in the middle, applies modality and VOI LUT, and maps it to 8 bits; ours
gives the picture that a tower sees. Files that either refuses are left out, and counted. Each file is decoded by both
in turns; the ratio is that of the computing time of a round, the line says its median.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.pixels import apply_modality_lut, apply_voi_lut, convert_color_space, pixel_array

from closegap.kinds import DicomKind
from closegap.kinds.image_source import ImageSource

_KIND = DicomKind()


def plain(path: Path) -> None:
    found = dcmread(path)
    frames = int(found.get("NumberOfFrames", 1) or 1)
    values = pixel_array(found, index=(frames - 1) // 2 if frames > 1 else None)
    if values.ndim == 3:
        if found.PhotometricInterpretation.startswith("YBR"):
            values = convert_color_space(values, found.PhotometricInterpretation, "RGB")
        Image.fromarray(values.astype(np.uint8))
        return
    values = apply_voi_lut(apply_modality_lut(values, found), found).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    Image.fromarray(((values - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)).convert("RGB")


def ours(path: Path) -> None:
    item = _KIND.parse(path)
    assert isinstance(item, ImageSource)
    item.open().load()


def seconds(decode: Callable[[Path], None], path: Path) -> float:
    began = time.process_time()
    decode(path)
    return time.process_time() - began


def decodable(path: Path) -> bool:
    """Whether both give a picture."""
    try:
        plain(path)
        ours(path)
    except Exception:  # whatever either raises of a file that is broken, or none
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    files = sorted(path for path in given.folder.rglob("*") if path.is_file())
    paths = [path for path in files if decodable(path)]
    ratios, mine = [], []
    for _ in range(given.rounds):
        taken = dict.fromkeys((plain, ours), 0.0)
        for number, path in enumerate(paths):
            for decode in (plain, ours) if number % 2 else (ours, plain):
                taken[decode] += seconds(decode, path)
        ratios.append(taken[plain] / taken[ours])
        mine.append(taken[ours])
    print(
        f"{len(paths)} of {len(files)} files: {len(paths) / min(mine):,.0f} pictures in a second of one core; "
        f"{statistics.median(ratios):.2f} times the plain loop (median of {given.rounds} rounds)"
    )


if __name__ == "__main__":
    main()
