"""Commands on a disk that is full: one line says so, and the same command goes on once there is space.

    python -m acceptance.disk --count 60 --seed 0
    python -m acceptance.disk --case study:2 --seed 0     one trial again

Half of the trials fail every opening for writing from some change on. The other half, where the system lets us mount
one, run on a small file system of their own with so much space left. The last line is a summary; the exit code is 1 if
anything was found.
"""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, rmtree

from acceptance.campaign import Trial, campaign
from acceptance.forked import Outcome
from acceptance.judgement import disturbed, ended, one_line
from acceptance.moments import Moment
from acceptance.options import Options, asked
from acceptance.stage import Expected, Stage, leftovers
from acceptance.subjects import Subject

_SIZE = 64 * 2**20
_MOUNTED = "disk"


def starve(stage: Stage, subject: Subject, folder: Path, seed: int, number: int) -> Trial:
    """Call a command on a full disk, then once there is space."""
    drawn = random.Random(f"{seed}/{subject.name}/{number}")
    expected = stage.expected(subject)
    if number % 2 or not _mounts(stage):
        change = drawn.randint(1, expected.changes)
        outcome = stage.call(folder, *subject.arguments, moment=Moment(folder, "full", change))
        end, wrong = _afterwards(stage, folder, subject, expected, outcome)
        where = f"full from change {change} of {expected.changes} on"
    else:
        left = int(2 ** drawn.uniform(12, 20))
        with _small_disk(folder):
            ballast = folder / ".ballast"
            _fill(ballast, left)
            outcome = stage.call(folder, *subject.arguments)
            ballast.unlink()
            end, wrong = _afterwards(stage, folder, subject, expected, outcome)
        where = f"{left} bytes left"
    return Trial(end, [f"{where}: {line}" for line in wrong])


def _afterwards(
    stage: Stage, folder: Path, subject: Subject, expected: Expected, outcome: Outcome
) -> tuple[str, list[str]]:
    if outcome.code == 0 and subject.foreign:
        return "same", []  # there was space enough, and the other command has nothing to go on from
    if outcome.code == 0:
        return ended(folder, subject, expected, outcome)
    wrong = one_line(outcome)
    if not wrong and not any(said in outcome.err for said in ("No space left", "full")):
        wrong.append(f"does not say that the disk is full: {outcome.err.strip()[-200:]!r}")
    wrong += disturbed(folder, subject, expected)
    wrong += [f"left {name} when it failed" for name in leftovers(folder)[:1] if ".parts" not in name]
    end, found = ended(folder, subject, expected, stage.call(folder, *subject.next(folder)))
    return end, wrong + [f"after space was made: {line}" for line in found]


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own in place of the folder, which holds what the folder held."""
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)], check=True)
    try:
        copytree(aside, folder, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        rmtree(aside)


def _mounts(stage: Stage) -> bool:
    """Whether the system lets us mount."""
    probe = stage.root / _MOUNTED
    if not probe.exists():
        probe.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(probe)], capture_output=True)
        if mounted.returncode == 0:
            subprocess.run(["umount", str(probe)], check=True)
            (probe / "yes").touch()
    return (probe / "yes").exists()


def _fill(ballast: Path, left: int) -> None:
    """Write zeros until so many bytes are left."""
    state = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        file.write(bytes(max(0, state.f_bavail * state.f_frsize - left)))


def main(given: Options) -> int:
    """Starve all subjects in turn; 1 if anything was found."""
    return campaign("disk", "full disks", starve, given)


if __name__ == "__main__":
    sys.exit(main(asked(__doc__)))
