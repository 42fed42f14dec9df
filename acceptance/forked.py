"""Commands of closegap in forked children of a process that has imported everything: they begin at once."""

import json
import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from acceptance.moments import Changes, Moment

GIB = 2**30
_SPACE = 16 * GIB  # of addresses; more is refused, so that an attack does not take the machine down
FAILED = 70
"""Exit code of a child whose function raised: `answer` has the traceback as `failed`."""

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["acceptance.warm", "pytest"])


@dataclass(frozen=True)
class Command:
    """A call of the command line.

    Args:
        arguments: from the verb on.
        folder: where it is called.
        moment: what happens in it.
    """

    arguments: Sequence[str]
    folder: Path
    moment: Moment | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a child.

    Args:
        code: its exit code; negative: the signal that ended it; None: it was ended since it hung.
        out: what it printed.
        err: what it printed to standard error.
        seconds: from its start to its end.
        memory: bytes resident at most; 0 where a signal ended it.
        computed: seconds of a processor.
        answer: what its function returned, as JSON has it.
    """

    code: int | None
    out: str
    err: str
    seconds: float
    memory: int = 0
    computed: float = 0.0
    answer: Mapping[str, Any] = field(default_factory=dict)


class Child:
    """A function in a forked process; its output goes to files.

    Args:
        function: of a module, which takes `seen` and `arguments`.
        arguments: that can be pickled.
        seen: a folder for what is seen of the child, outside of what it works on.
        environment: variables that it gets on top of those here.
    """

    def __init__(
        self, function: Callable[..., Any], *arguments: Any, seen: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        seen.mkdir(parents=True, exist_ok=True)
        for file in seen.iterdir():
            file.unlink()
        self.seen, self._began = seen, time.monotonic()
        self._computed, self._moved = 0.0, self._began
        self.process = _CONTEXT.Process(
            target=_inside, args=(function, arguments, seen, {**os.environ, **(environment or {})}), daemon=False
        )
        self.process.start()

    def hangs(self, patience: float) -> bool:
        """Whether it has computed for longer than `patience` seconds, or not at all for three times as long."""
        now = time.monotonic()
        try:
            times = psutil.Process(self.process.pid).cpu_times()
        except psutil.Error:
            return False
        computed = times.user + times.system
        if computed > self._computed:
            self._computed, self._moved = computed, now
        return computed > patience or now - self._moved > 3 * patience  # a machine that is busy with others is no hang

    def stopped(self, patience: float = 60) -> bool:
        """Whether it has stopped itself, once it has either done so or ended."""
        until = time.monotonic() + patience
        while not self.ended(0.02) and time.monotonic() < until:
            with suppress(psutil.Error):
                if psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED:
                    return True
        return False

    def go_on(self) -> None:
        """Let it go on where it stopped."""
        os.kill(self.process.pid or 0, signal.SIGCONT)

    def wait(self, patience: float = 120) -> Outcome:
        """What becomes of it; it is killed once it hangs."""
        while not self.ended(0.5):
            if self.hangs(patience):
                return self.outcome(hung=True)
        return self.outcome()

    def ended(self, within: float = 0) -> bool:
        """Whether it has ended, or does so within these seconds."""
        self.process.join(within)
        return self.process.exitcode is not None

    def outcome(self, hung: bool = False) -> Outcome:
        """What became of it; it is killed where it has not ended."""
        if self.process.exitcode is None:
            self.process.kill()
        self.process.join()
        told = self.seen / "answer.json"
        found = json.loads(told.read_text()) if told.exists() else {}
        code = None if hung else found.get("code", self.process.exitcode)
        return Outcome(
            code,
            _text(self.seen / "stdout"),
            _text(self.seen / "stderr"),
            time.monotonic() - self._began,
            found.get("memory", 0),
            found.get("computed", 0.0),
            found.get("answer") or {},
        )


def start(command: Command, seen: Path, environment: Mapping[str, str] | None = None) -> Child:
    """A call of the command line in a child; its answer has `changes`, the number of those that its moment counted."""
    return Child(_call, command, seen=seen, environment=environment)


def run(command: Command, seen: Path, environment: Mapping[str, str] | None = None, patience: float = 120) -> Outcome:
    """What a call of the command line does."""
    return start(command, seen, environment).wait(patience)


def called(arguments: Sequence[str], seen: Path, instead: Callable[[], None] | None = None) -> int:
    """The exit code of closegap in this process, whose output goes to files in `seen`; nothing escapes.

    Args:
        arguments: of the command line.
        seen: a folder.
        instead: what a program calls in place of the command line, judged like it.
    """
    from closegap.cli import main
    from closegap.errors import ClosegapError

    with _into(seen):
        try:
            if instead is None:
                return main(list(arguments))
            instead()
            return 0
        except ClosegapError as error:
            print(f"closegap: {error}", file=sys.stderr)
            return 1
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            traceback.print_exc()
            return 1


def _call(seen: Path, command: Command) -> dict[str, Any]:
    os.chdir(command.folder)
    changes = None if command.moment is None else Changes(command.moment)
    code = called(command.arguments, seen)
    return {"code": code, "changes": 0 if changes is None else changes.count}


def _inside(
    function: Callable[..., dict[str, Any]], arguments: Sequence[Any], seen: Path, environment: Mapping[str, str]
) -> None:
    os.environ.clear()  # the server's own are those of its start
    os.environ.update(environment)
    resource.setrlimit(resource.RLIMIT_AS, (_SPACE, resource.RLIM_INFINITY))
    try:
        found = function(seen, *arguments)
    except Exception:
        found = {"code": FAILED, "failed": traceback.format_exc()}
    code = found.pop("code", 0)
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = {"memory": 1024 * used.ru_maxrss, "computed": used.ru_utime + used.ru_stime}
    whole = seen / "answer.part"
    whole.write_text(json.dumps({"code": code, "answer": found, **told}))
    whole.rename(seen / "answer.json")
    os._exit(0)


@contextmanager
def _into(seen: Path) -> Iterator[None]:
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(seen / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        os.close(file)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, old in zip((1, 2), kept, strict=True):
            os.dup2(old, number)
            os.close(old)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
