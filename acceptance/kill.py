"""Commands killed without warning, again and again: the next call ends as if nothing had happened, or refuses.

    python -m acceptance.kill --count 200 --seed 0
    python -m acceptance.kill --case embed-over:3 --seed 0

A kill comes right before a change of the file system, or at any time. After each, what lies there is the older result,
the new one, or refuses to be read; the last call ends in the bits of an undisturbed one. `--count` counts kills. The
last line is a summary; the exit code is 1 if anything was found.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from acceptance.forked import Command, start
from acceptance.judgement import disturbed, ended
from acceptance.moments import Moment
from acceptance.options import Options, options
from acceptance.stage import Stage
from acceptance.subjects import SUBJECTS, Subject


@dataclass(frozen=True)
class Trial:
    """What became of a chain of kills.

    Args:
        kills: how many came.
        end: "same", "kept", "refused" or "bad".
        wrong: what is wrong.
    """

    kills: int
    end: str
    wrong: list[str]


def trial(stage: Stage, subject: Subject, seed: int, number: int, keep: bool = False) -> Trial:
    """Kill a command up to three times, then let it end."""
    drawn = random.Random(f"{seed}/{subject.name}/{number}")
    expected = stage.expected(subject)
    folder = stage.folder(subject, f"{subject.name}-{number}")
    kills, wrong = 0, list[str]()
    for turn in range(drawn.choice([1, 1, 2, 3])):
        arguments = (
            subject.arguments if turn == 0 or subject.again is None or not subject.grows else subject.next(folder)
        )
        if drawn.random() < 0.25:
            killed = _killed_after(stage, folder, arguments, drawn.uniform(0, expected.seconds))
            at = "some time"
        else:
            change = (
                drawn.randint(1, expected.changes) if turn == 0 else drawn.randint(1, max(1, expected.changes // 2))
            )
            outcome = stage.call(folder, *arguments, moment=Moment(folder, number=change))
            killed, at = outcome.code == -9, f"change {change} of {expected.changes}"
        kills += killed
        wrong += [f"killed at {at}: {line}" for line in disturbed(folder, subject, expected)]
    last = stage.call(folder, *subject.next(folder))
    end, found = ended(folder, subject, expected, last)
    if not keep:
        stage.clear(folder)
    return Trial(kills, end, [*wrong, *(f"after {at}: {line}" for line in found)])


def _killed_after(stage: Stage, folder: Path, arguments: Sequence[str], seconds: float) -> bool:
    """Whether the call was killed so many seconds after it began, and had not ended before."""
    child = start(Command(arguments, folder), stage.seen / folder.name, stage.environment(folder.name))
    if child.ended(seconds):
        return False
    child.process.kill()
    return child.outcome().code == -9


def main(given: Options) -> int:
    """Kill all subjects in turn; 1 if anything was found."""
    stage, began = Stage(given.root / "kill"), time.monotonic()
    subjects = [subject for subject in SUBJECTS if not given.only or subject.name in given.only]
    if given.case:
        name, _, chosen = given.case.partition(":")
        found = trial(
            stage, next(subject for subject in SUBJECTS if subject.name == name), given.seed, int(chosen), True
        )
        print(f"{stage.cases / f'{name}-{chosen}'}: {found.kills} kills, {found.end}", *found.wrong, sep="\n")
        return int(bool(found.wrong))
    kills, bad, ends = 0, 0, Counter[str]()
    for number, subject in _turns(subjects):
        if kills >= given.count:
            break
        found = trial(stage, subject, given.seed, number)
        kills += found.kills
        bad += bool(found.wrong)
        ends[found.end] += 1
        for line in found.wrong:
            print(f"  {subject.name}:{number}: {line}", flush=True)
    print(
        f"KILL {kills} kills of {len(subjects)} commands in {sum(ends.values())} trials, seed {given.seed}: {bad} with "
        f"findings; {ends['same']} ended bit for bit, {ends['kept']} had ended, {ends['refused']} refused in a line; "
        f"{time.monotonic() - began:.0f} s"
    )
    return int(bad > 0)


def _turns(subjects: list[Subject]) -> Iterator[tuple[int, Subject]]:
    number = 0
    while True:
        yield from ((number, subject) for subject in subjects)
        number += 1


if __name__ == "__main__":
    sys.exit(main(options(argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter))))
