"""What is wrong with how the command line took an input."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from acceptance.forked import GIB, Outcome
from acceptance.inputs.damage import SENTINEL

MEMORY = 2 * GIB
_CONFESSES = "a bug in closegap"
_OF_A_RUN = ("config.yaml", "environment.json", "metrics.jsonl", "skipped.csv", "checkpoints", "embeddings", "logs")

Tree = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Seen:
    """What was seen of a case.

    Args:
        outcome: of the child.
        arguments: of the command line.
        expected: "any", "taken" or "refused".
        names: what a refusal must name.
        new: paths that were not there before, or have changed.
        ran: what was executed and should not be.
        wrong: what is wrong with the result.
    """

    outcome: Outcome
    arguments: Sequence[str]
    expected: str
    names: str
    new: Sequence[str]
    ran: Sequence[str]
    wrong: str

    @classmethod
    def of(cls, outcome: Outcome) -> "Seen":
        """What a child's answer says."""
        told = outcome.answer
        before, after = told.get("before", {}), told.get("after", {})
        return cls(
            outcome,
            told.get("arguments", ()),
            told.get("expected", "any"),
            told.get("names", ""),
            sorted(name for name, state in after.items() if before.get(name) != state),
            told.get("ran", ()),
            told.get("wrong", ""),
        )


def tree(folder: Path) -> Tree:
    """Path to size and time of change of everything below a folder; of folders nothing but that they are there."""
    found: dict[str, Sequence[int]] = {}
    for place, folders, files in os.walk(folder):
        for name in folders:
            found[str(Path(place, name).relative_to(folder))] = ()
        for name in files:
            path = Path(place, name)
            state = path.lstat()
            found[str(path.relative_to(folder))] = [state.st_size, state.st_mtime_ns]
    return found


def findings(seen: Seen) -> list[str]:
    """One line for each thing that is wrong; none for a case that was taken as it should be."""
    outcome = seen.outcome
    if outcome.code is None:
        return [f"hangs: {outcome.seconds:.0f} s"]
    if "failed" in outcome.answer:
        return [f"could not be judged: {outcome.answer['failed'].strip().splitlines()[-1]}"]
    if not seen.arguments:
        return [f"died with exit {outcome.code}"]
    found = []
    printed = outcome.out + outcome.err
    if "Traceback (most recent call last)" in printed:
        found.append("a traceback")
    if _CONFESSES in printed:
        found.append("confesses a bug")
    if outcome.code not in (0, 1, 2):
        found.append(f"exit {outcome.code}")
    if outcome.memory > MEMORY:
        found.append(f"takes {outcome.memory / GIB:.1f} GiB")
    found += [f"executed {what}" for what in seen.ran]
    if SENTINEL in "".join(seen.new):
        found.append("executed a payload")
    if outcome.code == 0:
        found += [seen.wrong] if seen.wrong else []
        found += ["took what it should refuse"] if seen.expected == "refused" else []
    elif not found:
        found += _of_refusal(seen)
    hidden = [name for name in seen.new if any(part.startswith(".") for part in Path(name).parts)]
    return found + [f"left {name}" for name in hidden[:2]]


def _of_refusal(seen: Seen) -> list[str]:
    """What is wrong with a refusal: more than a line, less than a line, or something left behind."""
    lines = seen.outcome.err.splitlines()
    said = [line for line in lines if line.strip() and not line.startswith("closegap: warning: ")]
    found = []
    if seen.expected == "taken":
        found.append("refused what it should take")
    if not said or not said[-1].startswith("closegap: "):
        found.append("no line of closegap's")
    elif len(said) > 1:
        found.append(f"{len(said)} lines where one would do: {said[0][:160]!r}")
    if any(not character.isprintable() for line in lines for character in line):
        found.append("control characters in a message")
    if said and len(said[-1]) > 2000:
        found.append(f"a line of {len(said[-1])} characters")
    if seen.outcome.code == 2 and seen.names not in seen.outcome.err:
        found.append(f"does not name {seen.names}")
    trains = seen.arguments[0] in ("train", "study")
    parts = seen.arguments[0] == "embed"  # what was embedded stays, for the next call
    stays = [
        name
        for name in seen.new
        if seen.outcome.code == 1 and ((trains and _of_a_run(name)) or (parts and ".parts" in name))
    ]
    left = [name for name in seen.new if name not in stays]
    return found + ([f"left {left[0]} beside a refusal"] if left else [])


def _of_a_run(name: str) -> bool:
    parts = Path(name).parts
    return len(parts) == 1 or any(part in _OF_A_RUN for part in parts)
