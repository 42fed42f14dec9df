"""Dispatch by verb; what a person got wrong becomes one line on standard error and an exit code."""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import TextIO

from closegap.cli.verbs import VERBS
from closegap.errors import ClosegapError, ClosegapWarning, UsageError

_USAGE = """usage: closegap VERB [options]

Measure the modality gap of multimodal embeddings, close it, and prove on real tasks that closing it helped.

{verbs}

`closegap VERB --help` explains a verb, `closegap --print-completion bash` (or zsh, tcsh) prints what a shell needs to
complete verbs and options. Exit codes: 0 done, 1 failed, 2 asked wrongly."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb that the arguments name; the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=os.environ.get("CLOSEGAP_LOG", "WARNING"), format="%(levelname)s %(name)s: %(message)s")
    # Libraries' own bars would tear ours.
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    shown = warnings.showwarning
    warnings.showwarning = _show_warning
    try:
        return _dispatch(given)
    except UsageError as error:
        return _failed(error, 2)
    except ClosegapError as error:
        return _failed(error, 1)
    except OSError as error:
        return _failed(error, 1)
    except KeyboardInterrupt:
        return _failed(
            f"stopped; {VERBS[given[0]].interrupted if given and given[0] in VERBS else 'nothing was done'}", 130
        )
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


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Our warnings without the place in our code, which tells a person nothing; others as Python shows them."""
    if issubclass(category, ClosegapWarning):
        text = f"closegap: warning: {' '.join(str(message).split())}\n"
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
    (file or sys.stderr).write(text)


def _failed(error: Exception | str, code: int) -> int:
    print(f"closegap: {' '.join(str(error).split())}", file=sys.stderr)
    return code
