"""What a person is told when a verb fails: one line, and an exit code."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from platform import platform, python_version
from sysconfig import get_paths
from traceback import FrameSummary, extract_tb

from closegap.cli.verbs import VERBS
from closegap.errors import ClosegapError, UsageError, WorkerError
from closegap.printable import one_line

_LOG = logging.getLogger(__name__)
_PACKAGE = Path(__file__).parents[1]
_LIBRARIES = tuple({get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_NO_MEMORY = ("can't allocate memory", "out of memory")  # torch has no type of its own for the former
_NO_WORKER = ("exited unexpectedly", "is killed by signal")  # likewise
_NO_PEER = ("connection closed by peer", "connection reset by peer")  # of a launch over several processes


def failed(error: BaseException, verb: str) -> int:
    """The exit code, after saying on standard error in one line what went wrong; a bug of ours leaves a log.

    Args:
        error: what a verb raised.
        verb: its name, "" where none was asked for.
    """
    _LOG.debug("the whole trace", exc_info=error)
    line, code = _told(error, verb)
    tell(line)
    return code


def tell(line: str) -> None:
    """Say something on standard error, in one line."""
    if sys.stderr is None:
        return
    with suppress(OSError):  # whoever read it is gone
        print(f"closegap: {one_line(line)}", file=sys.stderr)


def _told(error: BaseException, verb: str) -> tuple[str, int]:
    if isinstance(error, ClosegapError):
        return str(error), 2 if isinstance(error, UsageError) else 1
    if isinstance(error, KeyboardInterrupt):
        return f"stopped; {VERBS[verb].interrupted if verb else 'nothing was done'}", 130
    if isinstance(error, MemoryError) or _says(error, _NO_MEMORY):
        return (
            f"not enough memory ({str(error) or 'Python had none left'}); give it less at once, or a larger machine",
            1,
        )
    if _says(error, _NO_WORKER):
        return f"{error}: something ended it, most often a lack of memory; use fewer --train.workers", 1
    if _says(error, _NO_PEER):
        return "another process of the launch has ended, whose error says why; give the command again with --resume", 1
    if isinstance(error, OSError) and error.errno is not None:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part is not None), 1
    if isinstance(error, RecursionError):
        return f"something given is nested too deeply ({error}); the trace is in {_logged(error, verb)}", 1
    return _blamed(error, verb), 1


def _says(error: BaseException, phrases: tuple[str, ...]) -> bool:
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in phrases)


def _blamed(error: BaseException, verb: str) -> str:
    """Whose bug it is: that of the last code which belongs to no library."""
    name, log = type(error).__name__, _logged(error, verb)
    own = [frame for frame in _frames(error) if not _is_library(frame)]
    if own and not _is_ours(own[-1]):
        return f"{own[-1].filename}, line {own[-1].lineno}: {name} ({error}) in code that is not closegap's; see {log}"
    where = f" in {_place(own[-1])}" if own else ""
    return (
        f"a bug in closegap: {name}{where}, whatever was asked; please report it with {log}, which says where it "
        "happened and holds no data (CLOSEGAP_LOG=DEBUG shows the whole trace)"
    )


def _frames(error: BaseException) -> list[FrameSummary]:
    """Where the error went through, the process included in which it arose."""
    beyond = error.frames if isinstance(error, WorkerError) else ()
    return [*extract_tb(error.__traceback__), *beyond]


def _is_ours(frame: FrameSummary) -> bool:
    return Path(frame.filename).is_relative_to(_PACKAGE)


def _is_library(frame: FrameSummary) -> bool:
    return not _is_ours(frame) and (frame.filename.startswith(_LIBRARIES) or frame.filename.startswith("<"))


def _place(frame: FrameSummary) -> str:
    """File and line, without the folder that the package lies in."""
    path = Path(frame.filename)
    return f"{path.relative_to(_PACKAGE.parent) if _is_ours(frame) else path.name}, line {frame.lineno}"


def _logged(error: BaseException, verb: str) -> str:
    """The file that now says where the error came from; only its owner may read it."""
    text = "\n".join(_lines(error, verb)) + "\n"
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "closegap"
    for folder in (state, Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=folder, prefix=f"closegap-{verb or 'start'}-", suffix=".log")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            continue
        return name
    return "no log, as no folder takes one"


def _lines(error: BaseException, verb: str) -> Iterator[str]:
    """Types and places, without the errors' messages and any values: these may hold data."""
    yield f"closegap {version('closegap')} {verb}".rstrip()
    yield f"Python {python_version()}, {platform()}"
    chain: BaseException | None = error
    while chain is not None:
        yield ""
        yield type(chain).__qualname__
        for frame in _frames(chain):
            yield f"  {_place(frame)}, in {frame.name}: {frame.line}"
        chain = chain.__cause__ or chain.__context__
