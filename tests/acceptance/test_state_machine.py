"""Train, kill, resume, embed, overwrite in any order: what lies in a folder is what whole commands made."""

import os
import sys
from pathlib import Path
from shutil import rmtree

import pytest
from acceptance.forked import Command, Outcome, run
from acceptance.judgement import one_line
from acceptance.moments import Moment
from acceptance.stage import Contents, contents, different, leftovers
from acceptance.subjects import Subject
from acceptance.tiny import config, rows, write, write_table
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import integers, sampled_from

from closegap import EmbeddingSet
from closegap.errors import ClosegapError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are watched through /proc")

EXAMPLES = int(os.environ.get("CLOSEGAP_STATE_EXAMPLES", "3"))
"""Sequences of commands; `make acceptance` asks for more."""

NAMES = ("a", "b")
_SET = "out.safetensors"
_RUN = {name: Subject(name, (), (name,), grows=True) for name in NAMES}
_FILES = Subject("set", (), (_SET, "out.parquet"))


class World:
    """Commands in a folder, and what each leaves when nobody disturbs it.

    Args:
        root: a folder.
    """

    def __init__(self, root: Path) -> None:
        self.seen, self.desk, self.folder = root / "seen", root / "alone", root / "killed"
        self.environment = {"CLOSEGAP_CACHE": str(root / "cache"), "OMP_NUM_THREADS": "1"}
        self.desk.mkdir(parents=True)
        write_table(root / "cases.csv", rows())
        self.runs: dict[str, Contents] = {}
        self.sets: dict[str, Contents] = {}
        for seed, name in enumerate(NAMES):
            write(root / f"{name}.yaml", {**config("../cases.csv"), "seed": seed})
            assert self.call(self.desk, *train(name)).code == 0
            self.runs[name] = contents(self.desk, _RUN[name])
            counted = self.call(self.desk, *embed(name), "--overwrite", moment=Moment(self.desk))
            assert counted.code == 0, counted.err
            self.sets[name] = contents(self.desk, _FILES)

    def call(self, folder: Path, *arguments: str, moment: Moment | None = None) -> Outcome:
        """What becomes of a command."""
        return run(Command(arguments, folder, moment), self.seen, self.environment)


def train(name: str) -> tuple[str, ...]:
    return ("train", "--config", f"../{name}.yaml", "--out", name)


def embed(name: str) -> tuple[str, ...]:
    """Of other cases for each run, but as many, so that a mixture of two sets would load."""
    return ("embed", name, "--split", {"a": "test", "b": "validation"}[name], "--out", _SET)


class Folder(RuleBasedStateMachine):
    """The model: which runs are begun or done, and which sets may lie there."""

    world: World

    @initialize()
    def empty(self) -> None:
        rmtree(self.world.folder, ignore_errors=True)
        self.world.folder.mkdir()
        self.begun, self.done = set[str](), set[str]()
        self.sets: set[str | None] = {None}  # None: nothing, or what no reader takes for a set

    def _call(self, *arguments: str, killed_at: int = 0) -> Outcome:
        moment = Moment(self.world.folder, number=killed_at) if killed_at else None
        outcome = self.world.call(self.world.folder, *arguments, moment=moment)
        if outcome.code not in (0, -9):
            assert one_line(outcome) == []
        assert outcome.code != -9 or killed_at
        return outcome

    @rule(name=sampled_from(NAMES), at=integers(0, 60))
    def train(self, name: str, at: int) -> None:
        """A run, killed at a change of the file system or left alone."""
        outcome = self._call(*train(name), killed_at=at)
        if name in self.done:
            assert outcome.code in (2, -9), outcome.err  # the folder holds a run
        elif outcome.code == 0:
            self.done.add(name)
        else:
            self.begun.add(name)

    @precondition(lambda self: self.begun - self.done)
    @rule(name=sampled_from(NAMES), at=integers(0, 60))
    def resume(self, name: str, at: int) -> None:
        """On with what was killed; before its config was written, a run starts again."""
        name = name if name in self.begun - self.done else sorted(self.begun - self.done)[0]
        found = (self.world.folder / name / "config.yaml").exists()
        outcome = self._call(*(("train", "--resume", name) if found else train(name)), killed_at=at)
        if outcome.code == 0:
            self.done.add(name)
        else:
            assert outcome.code == -9, outcome.err

    @precondition(lambda self: self.done)
    @rule(name=sampled_from(NAMES), at=integers(0, 25), over=sampled_from([("--overwrite",), ()]))
    def embed(self, name: str, at: int, over: tuple[str, ...]) -> None:
        """A set of a finished run, over what is there or not."""
        name = name if name in self.done else sorted(self.done)[0]
        outcome = self._call(*embed(name), *over, killed_at=at)
        if outcome.code == 0:
            self.sets = {name}
            assert different(contents(self.world.folder, _FILES), self.world.sets[name]) is None
        elif outcome.code == -9:
            self.sets |= {name, None} if None in self.sets or over else {name}

    @invariant()
    def runs_are_those_of_calls_that_nobody_disturbed(self) -> None:
        for name in getattr(self, "done", ()):
            assert different(contents(self.world.folder, _RUN[name]), self.world.runs[name]) is None
            assert leftovers(self.world.folder / name) == []

    @invariant()
    def no_set_is_mixed(self) -> None:
        if hasattr(self, "sets"):
            found = self._set()
            assert found in self.sets, f"a set of {found} lies there, expected one of {self.sets}"
            if found is not None:
                assert different(contents(self.world.folder, _FILES), self.world.sets[found]) is None

    def _set(self) -> str | None:
        """The run whose set a reader finds."""
        try:
            EmbeddingSet.load(self.world.folder / _SET)
        except ClosegapError:
            return None
        found = contents(self.world.folder, _FILES)
        return next((name for name, known in self.world.sets.items() if found[_SET] == known[_SET]), "neither")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def test_any_sequence_of_commands_leaves_whole_results(world: World) -> None:
    Folder.world = world
    checked = settings(
        max_examples=EXAMPLES,
        stateful_step_count=8,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(Folder, settings=checked)
