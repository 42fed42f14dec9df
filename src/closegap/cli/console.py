"""What the command line prints."""

import sys

from rich.console import Console


def console() -> Console:
    """The terminal; lines are not cut when the output goes to a file."""
    out = Console(highlight=False)
    return out if sys.stdout.isatty() else Console(highlight=False, width=120)


def say(text: str) -> None:
    """Print a line as it is: not wrapped, so that a path in it can be copied."""
    console().print(text, soft_wrap=True, markup=False)
