"""closegap shard: a data set as a few large files."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from closegap.bounds import PositiveInt, Seed
from closegap.cli.arguments import verb_parser
from closegap.cli.sections import answer_help, overview
from closegap.errors import UsageError

_SECTIONS = ("data", "checks")

_OF_TRAINING = ("model", "loss", "objective", "train", "arm")  # what they name is not imported

_DESCRIPTION = """Write the sound cases of a data set as shards: tar archives of images and their index. Training reads
them in place of the data set (`--data closegap.data.Shards --data.root SHARDS`), exactly resumable as ever; with
`--train.shuffle_window 50000` it reads the archives almost in order, which disks and network storage need.

  closegap shard --data closegap.data.Roco --data.root ROCO --out roco-shards
  closegap shard --config cases.yaml --out shards

Of a config it takes data, checks and seed, so that the config of a run will do."""


def parser() -> ArgumentParser:
    """What sharding takes, without the sections of the config, whose classes are not imported for help."""
    found = verb_parser("shard", _DESCRIPTION)
    found.epilog = overview("shard", _SECTIONS)
    found.add_argument("--config", type=Path, help="a YAML file; give several, and later ones win")
    found.add_argument("--data", type=str, help="where cases come from, by class path")
    _add_own(found)
    return found


def main(arguments: Sequence[str]) -> None:
    """Write shards."""
    answer_help(arguments, parser(), _SECTIONS)
    import numpy as np

    from closegap.api.bars import Bars
    from closegap.cli.console import say
    from closegap.data import load_cases
    from closegap.data.readers.write_shards import write_shards
    from closegap.runs.config import parse_run

    reader = _reader()
    given = parse_run(arguments, reader, ignored=_OF_TRAINING)
    if given.out.exists():
        raise UsageError(f"--out {given.out}: exists; name a new folder")
    built = reader.instantiate(given)
    with Bars("writing") as bars:
        found = load_cases(built.data, built.checks, progress=bars.images)
        cases = [case for split in found.splits.values() for case in split]
        order = np.random.default_rng(given.seed).permutation(len(cases)).tolist()
        number = write_shards([cases[i] for i in order], found.kinds, given.out, given.shard_mib * 2**20, bars.work)
    say(f"{given.out}: {len(cases)} cases in {number} archives")


def _add_own(parser: ArgumentParser) -> None:
    parser.add_argument("--shard_mib", type=PositiveInt, default=1024, help="size of an archive")
    parser.add_argument("--seed", type=Seed, default=0, help="of the order in which cases are written")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write, which must not exist")


def _reader() -> ArgumentParser:
    """The parser of the config, with the classes of its sections."""
    from closegap.data import Checks, Source

    found = verb_parser("shard", _DESCRIPTION)
    found.add_argument("--config", action="config", help="a YAML file; give several, and later ones win")
    found.add_argument("--data", type=Source, required=True, help="where cases come from, by class path")
    found.add_argument("--checks", type=Checks, default=Checks(), help="what is done about broken rows and leaks")
    _add_own(found)
    return found
