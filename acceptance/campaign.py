"""Trials of all subjects in turn, and the line that sums them up."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from acceptance.options import Options
from acceptance.stage import Stage
from acceptance.subjects import SUBJECTS, Subject


@dataclass(frozen=True)
class Trial:
    """What became of a trial.

    Args:
        end: in a few words, which are counted.
        wrong: what was found, a line each.
        count: how many kills, say, it stands for.
    """

    end: str
    wrong: list[str] = field(default_factory=list)
    count: int = 1


_EVERY = 60  # seconds

Attempt = Callable[[Stage, Subject, Path, int, int], Trial]
"""From a stage, a subject, a folder in which it can be called, a seed and a number to what became of it."""


@cache
def _stage(root: Path) -> Stage:
    """One for all attacks of a process: what undisturbed calls leave is found out once."""
    return Stage(root)


def campaign(name: str, of: str, attempt: Attempt, given: Options) -> int:
    """Attempt all subjects in turn until the count is reached; 1 if anything was found.

    Args:
        name: of the attack.
        of: what is counted.
        attempt: one trial.
        given: what was asked for.
    """
    stage, began = _stage(given.root / "stage"), time.monotonic()
    if given.case:
        chosen, _, text = given.case.partition(":")
        subject = next(subject for subject in SUBJECTS if subject.name == chosen)
        folder = stage.folder(subject, f"{chosen}-{text}")
        found = attempt(stage, subject, folder, given.seed, int(text))
        print(f"{folder}: {found.end}", *found.wrong, sep="\n")
        return int(bool(found.wrong))
    subjects = [subject for subject in SUBJECTS if not given.only or subject.name in given.only]
    done, bad, turn, ends = 0, 0, 0, Counter[str]()
    told = began
    with suppress(KeyboardInterrupt):  # who has seen enough gets the summary too
        while done < given.count:
            subject, number = subjects[turn % len(subjects)], turn // len(subjects)
            folder = stage.folder(subject, f"{subject.name}-{number}")
            found = attempt(stage, subject, folder, given.seed, number)
            stage.clear(folder)
            for line in found.wrong:
                print(f"  {subject.name}:{number}: {line}", flush=True)
            done, turn, bad = done + found.count, turn + 1, bad + bool(found.wrong)
            ends[found.end] += 1
            if time.monotonic() - told > _EVERY:
                told = time.monotonic()
                print(f"  {done} of {given.count} {of} in {told - began:.0f} s, {bad} with findings", flush=True)
    counted = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    print(
        f"{name.upper()} {done} {of} of {len(subjects)} commands in {turn} trials, seed {given.seed}: {bad} with "
        f"findings; {counted}; {time.monotonic() - began:.0f} s"
    )
    return int(bad > 0)
