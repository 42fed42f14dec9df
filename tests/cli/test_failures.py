"""What reaches a person when something goes wrong that nobody foresaw: one line, and a log that holds no data."""

import os
import re
import stat
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli import tiny
from tests.cli.tiny import Cli
from tests.processes import start

from closegap.cli import demo
from closegap.errors import ClosegapWarning

_OWN_CODE = """from closegap.losses import InfoNCE


class Odd(InfoNCE):
    def terms(self, batch):
        return {}["patient 7"]
"""
_OWN_PREPARER = """from closegap.models import SmallTextEncoder


class Preparer:
    def __call__(self, items):
        return {}["patient 7"]


class Odd(SmallTextEncoder):
    def preparer(self):
        return Preparer()
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where logs are written in this test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "closegap"


@pytest.fixture
def arrays(tmp_path: Path) -> tuple[Path, Path]:
    for seed, name in enumerate("ab"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(seed).normal(size=(8, 4)).astype("f4"))
    return tmp_path / "a.npy", tmp_path / "b.npy"


def in_a_shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a shell makes of a command in which `closegap` stands for this one."""
    command = re.sub(r"\bclosegap\b", f"'{sys.executable}' -m closegap", command, count=1)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": ""} | environment,
        check=False,
    )


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(arguments: object) -> None:
        raise error

    monkeypatch.setattr(demo, "main", fail)


def test_a_bug_is_one_line_and_a_log_without_data(cli: Cli, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "main", [].index)  # ValueError: ['patient 7'] is not in list
    found = cli("demo", "patient 7")
    assert (found.code, found.out, found.err.count("\n")) == (1, "", 1)
    (log,) = state.iterdir()
    assert re.match(r"closegap: a bug in closegap: ValueError in closegap/cli/main\.py, line \d+, ", found.err)
    assert f"please report it with {log}, which" in found.err
    written = log.read_text(encoding="utf-8")
    assert re.match(
        r"closegap \S+ demo\nPython .*\n\nValueError\n  closegap/cli/main\.py, line \d+, in main: ", written
    )
    assert "patient 7" not in written + found.err
    assert (stat.S_IMODE(log.stat().st_mode), stat.S_IMODE(state.stat().st_mode)) == (0o600, 0o700)


def test_the_whole_trace_is_shown_to_who_asks(tmp_path: Path) -> None:
    program = "from closegap.cli import demo, main; demo.main = [].index; raise SystemExit(main(['demo', 'patient 7']))"
    shown = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=os.environ | {"CLOSEGAP_LOG": "debug", "XDG_STATE_HOME": str(tmp_path)},
        check=False,
    )
    assert shown.returncode == 1
    assert "Traceback (most recent call last):" in shown.stderr
    assert "ValueError: ['patient 7'] is not in list" in shown.stderr


def test_a_log_lies_with_temporary_files_where_the_state_folder_cannot_be(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(demo, "main", [].index)
    assert cli("demo").err.count("\n") == 1
    (log,) = (tmp_path / "temporary").iterdir()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("code", "place", "workers"),
    [(_OWN_CODE, "loss", 0), (_OWN_PREPARER, "model", 0), (_OWN_PREPARER, "model", 1)],
    ids=["loss", "preparer", "preparer in a worker"],
)
def test_code_of_somebody_else_is_blamed_by_file_and_line(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, place: str, workers: int
) -> None:
    name = f"odd_{place}_{workers}"
    (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    config: dict[str, Any] = tiny.config(tiny.phantoms())
    if place == "loss":
        config["loss"] = {"class_path": f"{name}.Odd"}
    else:
        config["model"]["encoders"]["report"] = tiny.REPORT | {"class_path": f"{name}.Odd"}
    config["train"] |= {"workers": workers}
    monkeypatch.syspath_prepend(tmp_path)
    config_file = tiny.write(tmp_path / "config.yaml", config)
    found = start("train", "--config", config_file, "--out", tmp_path / "run", seen=tmp_path / "seen").wait()
    assert (found.code, found.out) == (1, "")
    assert f"closegap: {tmp_path}/{name}.py, line 6: " in found.err
    assert "in code that is not closegap's; see " in found.err
    assert "Traceback" not in found.err
    assert len(list(state.iterdir())) == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), "not enough memory (Python had none left); give it less at once, or a larger machine"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), "not enough memory (DefaultCPUAllocator"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), "use fewer --train.workers"),
        (RuntimeError("[gloo/pair.cc:554] Connection closed by peer [127.0.0.1]:9"), "another process of the launch"),
        (RecursionError("maximum recursion depth exceeded"), "something given is nested too deeply (maximum"),
        (FileNotFoundError(2, "No such file or directory", "x/y"), "closegap: x/y: No such file or directory"),
        (OSError("image file is truncated"), "closegap: "),  # of a library, with nothing that the system said
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_kinds_of_their_own(
    cli: Cli, state: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, expected: str
) -> None:
    raising(monkeypatch, error)
    found = cli("demo")
    assert (found.code, found.out, found.err.count("\n")) == (1, "", 1)
    assert expected in found.err
    assert "a bug in closegap" not in found.err


def test_the_reader_of_a_pipe_may_leave(state: Path) -> None:
    found = in_a_shell("closegap audit --help | true")
    assert (found.returncode, found.stdout, found.stderr) == (141, "", "")
    assert not state.exists()


def test_a_disk_that_takes_no_output_is_one_line() -> None:
    found = in_a_shell("closegap --version > /dev/full")
    assert (found.returncode, found.stderr) == (1, "closegap: standard output: No space left on device\n")


def test_a_terminal_without_our_letters_gets_others(arrays: tuple[Path, Path], tmp_path: Path) -> None:
    one, other = arrays
    found = in_a_shell(
        f"closegap audit '{one}' '{other}' --names='Röntgen,text' --resamples 5 --out '{tmp_path}/out'",
        PYTHONIOENCODING="ascii",
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert "R\\xf6ntgen" in found.stdout
    found = in_a_shell("closegap audit Röntgen.npy x.npy --out x", PYTHONIOENCODING="ascii")
    assert (found.returncode, found.stderr) == (1, "closegap: R\\xf6ntgen.npy: no such file\n")


def test_nothing_from_outside_reaches_the_terminal_as_a_command(
    cli: Cli, arrays: tuple[Path, Path], tmp_path: Path
) -> None:
    name = "\x1b]0;mine\x07\u202e"
    found = cli("audit", *arrays, "--names", f"{name},text", "--resamples", 5, "--out", tmp_path / "out")
    assert found.code == 0
    assert "\\x1b]0;mine\\u202e" in found.out
    refused = cli("audit", *arrays, f"{name}.npy", "--out", tmp_path / "other")
    assert refused.err == "closegap: \\x1b]0;mine\\x07\\u202e.npy: no such file\n"
    assert not set("\x1b\x07\u202e") & set(found.out + found.err + refused.err)


def test_warnings_of_libraries_go_to_the_log(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def warn(arguments: object) -> None:
        warnings.warn("lbfgs failed to converge", UserWarning, stacklevel=1)
        warnings.warn("rows are few\x07", ClosegapWarning, stacklevel=1)

    monkeypatch.setattr(demo, "main", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        shown = warnings.showwarning
        found = cli("demo")
        assert warnings.showwarning is shown
    assert (found.code, found.err) == (0, "closegap: warning: rows are few\\x07\n")
    assert "lbfgs failed to converge" in caplog.text


def test_logs_and_warnings_of_libraries_are_shown_to_who_asks() -> None:
    program = (
        "import warnings, logging; from closegap.cli import demo, main; "
        "demo.main = lambda given: (warnings.warn('lbfgs'), logging.getLogger('PIL').warning('tags')); "
        "raise SystemExit(main(['demo']))"
    )
    for level, expected in (("WARNING", False), ("INFO", True)):
        shown = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            env=os.environ | {"CLOSEGAP_LOG": level},
            check=True,
        )
        assert ("lbfgs" in shown.stderr, "tags" in shown.stderr) == (expected, expected)


def test_a_level_that_there_is_not() -> None:
    found = in_a_shell("closegap demo", CLOSEGAP_LOG="loud")
    assert (found.returncode, found.stderr) == (
        2,
        "closegap: CLOSEGAP_LOG is 'LOUD'; expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL\n",
    )
