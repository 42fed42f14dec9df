"""Dispatch by verb; what a person got wrong becomes one line on standard error and an exit code."""

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import TextIO

from closegap.errors import ClosegapError, ClosegapWarning, UsageError

VERBS = {
    "demo": "three arms on generated studies, compared in a report: see the gap closing in minutes",
    "train": "train a run from a config, or go on with one that was stopped",
    "embed": "write a split's embeddings with a trained run",
    "evaluate": "measure a trained run on a split: gap, retrieval, intervals",
    "audit": "embeddings of any origin: do they have a gap, does it hurt, what would closing it be worth",
    "posthoc": "fit a method that closes the gap after training, apply it to embeddings",
    "compare": "put runs side by side: paired intervals, figures, report",
    "shard": "write a data set as a few large files, for millions of cases",
    "study": "train several arms with several seeds and compare them",
}

_USAGE = """usage: closegap VERB [options]

Measure the modality gap of multimodal embeddings, close it, and prove on real tasks that closing it helped.

{verbs}

`closegap VERB --help` explains a verb. Exit codes: 0 done, 1 failed, 2 asked wrongly."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb that the arguments name; the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=os.environ.get("CLOSEGAP_LOG", "WARNING"), format="%(levelname)s %(name)s: %(message)s")
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE.format(verbs="\n".join(f"  {verb:<9} {what}" for verb, what in VERBS.items())))
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(version("closegap"))
        return 0
    # Libraries' own bars would tear ours.
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    shown = warnings.showwarning
    warnings.showwarning = _show_warning
    try:
        if arguments[0] not in VERBS:
            raise UsageError(f"no verb {arguments[0]!r}; expected one of {', '.join(VERBS)}")
        import_module(f"closegap.cli.{arguments[0]}").main(arguments[1:])
    except UsageError as error:
        return _failed(error, 2)
    except ClosegapError as error:
        return _failed(error, 1)
    except OSError as error:
        return _failed(error, 1)
    except KeyboardInterrupt:
        return _failed("stopped; `closegap train --resume RUN` goes on with a training run", 130)
    finally:
        warnings.showwarning = shown
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
