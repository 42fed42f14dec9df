"""Where subjects are disturbed: a folder for each trial, and what an undisturbed call leaves in it."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from acceptance import tiny
from acceptance.forked import Command, Outcome, run
from acceptance.indexed import DATABASE, indexed
from acceptance.moments import Moment
from acceptance.sound import NAME, copied, make_sound
from acceptance.subjects import Subject

Contents = Mapping[str, str]
_TIMES = ("cases_per_s",)
_OF_THE_MACHINE = ("environment.json",)


@dataclass(frozen=True)
class Expected:
    """What calls that nobody disturbed leave.

    Args:
        old: of the results before the command; nothing where there is no older one.
        new: of the results after it.
        changes: how many changes of the file system it makes.
        seconds: that it takes.
    """

    old: Contents
    new: Contents
    changes: int
    seconds: float


class Stage:
    """A folder of trials.

    Args:
        root: made anew.
    """

    def __init__(self, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)
        self.root, self.cases, self.seen = root, root / "cases", root / "seen"
        for name in ("temporary", "state"):
            (root / name).mkdir(parents=True)
        self._expected: dict[str, Expected] = {}

    @cached_property
    def sound(self) -> Path:
        """What all trials read."""
        folder = make_sound(self.cases, self.seen / NAME, self.environment(NAME))
        tiny.write_table(folder / "many.csv", tiny.rows(test=2300))
        (folder / "second.yaml").write_text("arm: second\nseed: 1\n")
        frozen = tiny.config(f"../{NAME}/cases.csv", "image", "report")
        frozen["train"]["keep_images"] = True
        (folder / "frozen.yaml").write_text(yaml.safe_dump(frozen))
        for arguments in (
            ("train", "--config", "config.yaml", "--config", "second.yaml", "--out", "second"),
            (
                "posthoc",
                "fit",
                "--method",
                "center",
                "--train",
                "train.safetensors",
                "--out",
                "other-method.safetensors",
            ),
            ("index", "build", "run", "--posthoc", "shift", "--out", "archive"),
        ):
            outcome = run(Command(arguments, folder), self.seen / NAME, self.environment(NAME))
            if outcome.code != 0:
                raise RuntimeError(f"closegap {' '.join(arguments)}: {outcome.err}")
        return folder

    def environment(self, name: str) -> dict[str, str]:
        """Variables of a trial's commands; its cache is its own, so that kills meet it too."""
        places = {"CLOSEGAP_CACHE": f"caches/{name}", "TMPDIR": "temporary", "XDG_STATE_HOME": "state"}
        return {variable: str(self.root / place) for variable, place in places.items()} | {"OMP_NUM_THREADS": "1"}

    def folder(self, subject: Subject, name: str) -> Path:
        """A new folder in which the subject can be called, an older result of it in place."""
        sound, made = self.sound, self.cases / name
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(self.root / "caches" / name, ignore_errors=True)
        made.mkdir()
        copied(sound, made, *subject.needs)
        if subject.older:
            before = self.cases / f"{subject.name}-older"
            if not before.exists():
                before.mkdir()
                copied(sound, before, *subject.needs)
                self._undisturbed(before, *subject.older)
            shutil.copytree(before, made, dirs_exist_ok=True)
        return made

    def call(self, folder: Path, *arguments: str, moment: Moment | None = None) -> Outcome:
        """What becomes of a call in a trial's folder."""
        command = Command(arguments, folder, moment)
        return run(command, self.seen / folder.name, self.environment(folder.name))

    def expected(self, subject: Subject) -> Expected:
        """What undisturbed calls leave; two of them, which must leave the same.

        Raises:
            RuntimeError: they fail, or differ.
        """
        if subject.name not in self._expected:
            folder = self.folder(subject, f"{subject.name}-alone")
            old = contents(folder, subject)
            counted = self._undisturbed(folder, *subject.arguments, moment=Moment(folder))
            new = contents(folder, subject)
            again = self.folder(subject, f"{subject.name}-again")
            self._undisturbed(again, *subject.next(again))
            if subject.foreign:
                new = contents(again, subject)
            if (differing := different(contents(again, subject), new)) is not None:
                raise RuntimeError(f"{subject.name}: two calls that nobody disturbed leave another {differing}")
            changes = int(counted.answer["changes"])
            self._expected[subject.name] = Expected(old, new, changes, counted.seconds)
        return self._expected[subject.name]

    def clear(self, folder: Path) -> None:
        """Delete a trial."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self.seen / folder.name, ignore_errors=True)
        shutil.rmtree(self.root / "caches" / folder.name, ignore_errors=True)

    def _undisturbed(self, folder: Path, *arguments: str, moment: Moment | None = None) -> Outcome:
        outcome = self.call(folder, *arguments, moment=moment)
        if outcome.code != 0:
            raise RuntimeError(f"closegap {' '.join(arguments)}: exit {outcome.code}: {outcome.err}")
        return outcome


def contents(folder: Path, subject: Subject) -> Contents:
    """Path to a digest of what the file says, of every file among the results; times and machine left out."""
    found = {}
    for name in subject.results:
        files = [folder / name] if (folder / name).is_file() else sorted((folder / name).rglob("*"))
        for file in files:
            if file.is_file() and not _is_unsaid(file) and not is_hidden(file, folder):
                found[str(file.relative_to(folder))] = _digest(file)
    return found


def leftovers(folder: Path) -> list[str]:
    """What a finished command should not leave: hidden files, and parts."""
    found = [path for path in folder.rglob("*") if path.name.startswith(".") or path.name.endswith(".parts")]
    return sorted(str(path.relative_to(folder)) for path in found if not path.name.endswith(".lock"))


def different(found: Contents, expected: Contents) -> str | None:
    """A file that differs, is missing or is too many; None where there is none."""
    return next(
        (name for name in sorted(found.keys() | expected.keys()) if found.get(name) != expected.get(name)), None
    )


def is_hidden(file: Path, folder: Path) -> bool:
    """Whether it, or a folder that it is in, has a name that begins with a dot."""
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _is_unsaid(file: Path) -> bool:
    """Whether it tells of the machine, or is a part of an index, which is read as a whole."""
    return file.name in _OF_THE_MACHINE or file.name.startswith(f"{DATABASE}-") or file.suffix in (".vectors", ".codes")


def _digest(file: Path) -> str:
    content = indexed(file.parent) if file.name == DATABASE else file.read_bytes()
    if file.name == "metrics.jsonl":
        lines = [json.loads(line) for line in content.splitlines()]
        kept = [{key: value for key, value in line.items() if key not in _TIMES} for line in lines]
        content = json.dumps(kept, sort_keys=True).encode()
    return hashlib.blake2b(content, digest_size=16).hexdigest()
