"""closegap shard: a data set as a few large files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from closegap.cli.arguments import parse, verb_parser
from closegap.cli.console import Bars, say
from closegap.data import Checks, Source, load_cases
from closegap.data.shards import write_shards
from closegap.errors import UsageError

_DESCRIPTION = """Write the sound cases of a data set as shards: tar archives of images and their index. Training reads
them in place of the data set (`--data closegap.data.Shards --data.root SHARDS`), exactly resumable as ever; with
`--train.shuffle_window 50000` it reads the archives almost in order, which disks and network storage need.

  closegap shard --data closegap.data.Roco --data.root ROCO --out roco-shards"""


def main(arguments: Sequence[str]) -> None:
    """Write shards."""
    parser = verb_parser("shard", _DESCRIPTION)
    parser.add_argument(
        "--data", type=Source, required=True, help="a class path, or JSON with class_path and init_args"
    )
    parser.add_argument("--checks", type=Checks, default=Checks(), help="what is done about broken rows and leaks")
    parser.add_argument("--shard_mib", type=int, default=1024, help="size of an archive")
    parser.add_argument("--seed", type=int, default=0, help="of the order in which cases are written")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write, which must not exist")
    given = parse(parser, arguments)
    if given.out.exists():
        raise UsageError(f"--out {given.out}: exists; name a new folder")
    if given.shard_mib < 1:
        raise UsageError(f"--shard_mib {given.shard_mib}: expected 1 or more")
    built = parser.instantiate(given)
    with Bars("writing") as bars:
        found = load_cases(built.data, built.checks, progress=bars.images)
        cases = [case for split in found.splits.values() for case in split]
        order = np.random.default_rng(given.seed).permutation(len(cases)).tolist()
        number = write_shards(
            [cases[i] for i in order], found.modalities, given.out, given.shard_mib * 2**20, bars.work
        )
    say(f"{given.out}: {len(cases)} cases in {number} archives")
