"""Dispatch by verb; what a person got wrong becomes one line on standard error and an exit code."""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from typing import TextIO

from closegap.cli.failures import failed, tell
from closegap.cli.verbs import VERBS
from closegap.errors import ClosegapWarning, UsageError
from closegap.printable import printable

_PIPE_CLOSED = 141  # as of a program that SIGPIPE ends
_TALKATIVE = ("DEBUG", "INFO")
_LEVELS = (*_TALKATIVE, "WARNING", "ERROR", "CRITICAL")

_USAGE = """usage: closegap VERB [options]

Measure the modality gap of multimodal embeddings, close it, and prove on real tasks that closing it helped.

{verbs}

`closegap VERB --help` explains a verb, `closegap --print-completion bash` (or zsh, tcsh) prints what a shell needs to
complete verbs and options. Exit codes: 0 done, 1 failed, 2 asked wrongly."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb that the arguments name; the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    verb = given[0] if given and given[0] in VERBS else ""
    # Libraries' own bars would tear ours.
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    shown = warnings.showwarning
    warnings.showwarning = _show_warning
    try:
        _set_up()
        try:
            return _dispatch(given)
        finally:  # also after `--help`, which exits
            _flush()
    except BrokenPipeError:  # whoever read has seen enough
        return _PIPE_CLOSED
    except (Exception, KeyboardInterrupt) as error:
        return failed(error, verb)
    finally:
        warnings.showwarning = shown


def _dispatch(arguments: list[str]) -> int:
    verb = arguments[0] if arguments else ""
    if verb in ("", "-h", "--help"):
        print(_USAGE.format(verbs="\n".join(f"  {name:<9} {found.does}" for name, found in VERBS.items())))
        return 0 if verb else 2
    if verb == "--version":
        print(import_module("importlib.metadata").version("closegap"))
        return 0
    option, _, shell = verb.partition("=")
    if option == "--print-completion":
        completion: Callable[[str], str] = import_module("closegap.cli.completion").completion
        print(completion(shell or " ".join(arguments[1:])))
        return 0
    if verb not in VERBS:
        near = get_close_matches(verb, VERBS, n=1)
        advice = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(VERBS)}"
        raise UsageError(f"no verb {verb!r}; {advice}")
    import_module(f"closegap.cli.{verb}").main(arguments[1:])
    return 0


def _set_up() -> None:
    """Standard streams that take every character, and the log as CLOSEGAP_LOG asks for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    level = os.environ.get("CLOSEGAP_LOG", "WARNING").upper()
    if level not in _LEVELS:
        raise UsageError(f"CLOSEGAP_LOG is {level!r}; expected one of {', '.join(_LEVELS)}")
    # Of other programs' logs and warnings a person is told where they ask for it.
    logging.basicConfig(level=level if level in _TALKATIVE else "CRITICAL")
    logging.getLogger("closegap").setLevel(level)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Plain("%(levelname)s %(name)s: %(message)s"))


def _flush() -> None:
    """Send what was printed; what cannot be sent is not tried again when Python ends."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OSError(error.errno, error.strerror, "standard output") from error


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Our warnings without the place in our code, which tells a person nothing; others go to the log."""
    if issubclass(category, ClosegapWarning):
        tell(f"warning: {message}")
    else:
        logging.getLogger("py.warnings").warning(warnings.formatwarning(message, category, filename, lineno, line))


class _Plain(logging.Formatter):
    """Records of which a terminal obeys nothing."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
