"""What every attack takes."""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What was asked for; see `asked`."""

    count: int
    seed: int
    workers: int
    root: Path
    only: list[str]
    case: str


def asked(explained: str | None) -> Options:
    """What the command line asks for.

    Args:
        explained: the docstring of the attack, for its help.
    """
    parser = argparse.ArgumentParser(description=explained, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=300, help="how many cases")
    parser.add_argument("--seed", type=int, default=0, help="what they are drawn from")
    parser.add_argument("--workers", type=int, default=2, help="malformed inputs at once")
    parser.add_argument("--only", nargs="+", default=[], help="these kinds, or commands, alone")
    parser.add_argument("--case", default="", help="one case again: NAME:NUMBER")
    default = Path(tempfile.gettempdir()) / "closegap-acceptance"
    parser.add_argument("--root", type=Path, default=default, help="where everything is made, and deleted before")
    return Options(**vars(parser.parse_args()))
