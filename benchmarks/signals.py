"""Decoding of signals on one core, beside the plain loop over wfdb.

    python benchmarks/signals.py FOLDER [--rounds 5]

FOLDER holds records of WFDB. Both decode each to physical units, in turns; a ratio is that of the computing time of a
round, the line says its median. Then the same with resampling to 100 Hz, beside wfdb and SciPy.
"""

import argparse
import statistics
import warnings
from fractions import Fraction
from pathlib import Path

import wfdb
from audio import a_round
from scipy.signal import resample_poly

from closegap.kinds import Waveform

_RATE = 100


def plain(path: Path) -> int:
    return len(wfdb.rdrecord(str(path)).p_signal)


def ours(path: Path) -> int:
    return Waveform(path).traces().values.shape[1]


def plain_resampled(path: Path) -> int:
    record = wfdb.rdrecord(str(path))
    ratio = Fraction(_RATE / record.fs).limit_denominator(1000)
    return len(resample_poly(record.p_signal, ratio.numerator, ratio.denominator, axis=0, padtype="line"))


def ours_resampled(path: Path) -> int:
    return Waveform(path).traces(_RATE).values.shape[1]


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    paths = sorted(header.with_suffix("") for header in given.folder.rglob("*.hea"))
    for what, reference, decode in (
        ("as recorded", plain, ours),
        (f"at {_RATE} Hz", plain_resampled, ours_resampled),
    ):
        pairs = [a_round(paths, reference, decode) for _ in range(given.rounds)]
        ratio = statistics.median(theirs / mine for theirs, mine in pairs)
        fastest = len(paths) / min(mine for _, mine in pairs)
        print(
            f"{what}: {len(paths)} records, {fastest:,.0f} in a second of one core; {ratio:.2f} times the plain loop "
            f"(median of {given.rounds} rounds)"
        )


if __name__ == "__main__":
    main()
