"""Decoding of recordings on one core, beside the plain loop over soundfile.

    python benchmarks/audio.py FOLDER [--rounds 5]

Both decode each file to float32 at its own rate, in turns; a ratio is that of the computing time of a round, the line
says its median. Then the same with resampling to 16 kHz, beside soundfile and soxr.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import soundfile
import soxr

from closegap.kinds import Recording

_RATE = 16_000


def plain(path: Path) -> int:
    return len(soundfile.read(path, dtype="float32", always_2d=True)[0])


def ours(path: Path) -> int:
    return Recording(path).samples()[0].shape[1]


def plain_resampled(path: Path) -> int:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return len(soxr.resample(samples.mean(1), rate, _RATE // 2))


def ours_resampled(path: Path) -> int:
    return Recording(path).samples(_RATE // 2)[0].shape[1]


def seconds(decode: Callable[[Path], int], path: Path) -> float:
    began = time.process_time()
    decode(path)
    return time.process_time() - began


def a_round(paths: list[Path], reference: Callable[[Path], int], decode: Callable[[Path], int]) -> tuple[float, float]:
    """Seconds of computing of both over all files, each file by both before the next."""
    theirs = mine = 0.0
    for number, path in enumerate(paths):
        order = (reference, decode) if number % 2 else (decode, reference)
        taken = {one: seconds(one, path) for one in order}
        theirs, mine = theirs + taken[reference], mine + taken[decode]
    return theirs, mine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    paths = sorted(path for path in given.folder.iterdir() if path.is_file())
    length = sum(soundfile.info(str(path)).duration for path in paths)
    for what, reference, decode in (
        ("as recorded", plain, ours),
        (f"at {_RATE // 2} Hz", plain_resampled, ours_resampled),
    ):
        pairs = [a_round(paths, reference, decode) for _ in range(given.rounds)]
        ratio = statistics.median(theirs / mine for theirs, mine in pairs)
        fastest = length / min(mine for _, mine in pairs)
        print(
            f"{what}: {len(paths)} files, {length:,.0f} s of sound; {fastest:,.0f} s of sound in a second of one core; "
            f"{ratio:.2f} times the plain loop (median of {given.rounds} rounds)"
        )


if __name__ == "__main__":
    main()
