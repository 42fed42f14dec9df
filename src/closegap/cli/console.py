"""What the command line prints."""

import sys

from closegap.terminal import Terminal


def console() -> Terminal:
    """The terminal; lines are not cut when the output goes to a file."""
    out = Terminal(highlight=False)
    return out if sys.stdout.isatty() else Terminal(highlight=False, width=120)


def say(text: str) -> None:
    """Print a line as it is: not wrapped, so that a path in it can be copied."""
    console().print(text, soft_wrap=True, markup=False)
