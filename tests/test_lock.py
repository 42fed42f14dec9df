"""A folder in use, by processes that are real."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from closegap.errors import ClosegapError
from closegap.files import write_text
from closegap.lock import locked

_HOLDER = """
import sys
from collections.abc import Iterator
from pathlib import Path
from pathlib import Path
from closegap.lock import locked

with locked(Path(sys.argv[1]), "train"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds `tmp_path`/run until it is killed."""
    command = [sys.executable, "-c", _HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "held\n"
        yield started
        started.kill()


def test_the_second_is_told_who_was_first(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(ClosegapError) as refused, locked(tmp_path / "run", "train"):
        pass
    who = rf"`closegap train` \(process {holder.pid} on \S+, since [\d-]+ [\d:]+[+-][\d:]+\)"
    assert re.fullmatch(rf"\S+/run: in use by {who}; wait until it is done, or stop it", str(refused.value))


def test_a_kill_ends_it(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    holder.kill()
    holder.wait()
    assert (tmp_path / "run" / ".closegap.lock").exists()
    with locked(tmp_path / "run", "train"):
        write_text(tmp_path / "run" / "a", "")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["a"]


def test_a_process_may_lock_again_what_it_holds(tmp_path: Path) -> None:
    with locked(tmp_path / "run", "study"):
        with locked(tmp_path / "run", "train"):
            pass
        assert (tmp_path / "run" / ".closegap.owner").exists()


def test_a_folder_that_was_made_for_nothing_goes(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path / "runs" / "a", "train"):
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_what_a_kill_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".config.yaml.abcdefgh.unfinished").mkdir()
    (tmp_path / ".config.yaml.abcdefgh.unfinished" / "config.yaml").write_text("")
    with locked(tmp_path, "train"):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".closegap.lock", ".closegap.owner"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ClosegapError, match="cannot be written"), locked(tmp_path, "train"):
        pass
