"""Commands killed without warning, again and again: the next call ends as if nothing had happened, or refuses.

    python -m acceptance.kill --count 200 --seed 0
    python -m acceptance.kill --case embed-over:3 --seed 0     one trial again, its files kept

A kill comes right before a change of the file system, or at any time. After each, what lies there is the older result,
the new one, or refuses to be read; the last call ends in the bits of an undisturbed one. `--count` counts kills. The
last line is a summary; the exit code is 1 if anything was found.
"""

import random
import sys
from collections.abc import Sequence
from pathlib import Path

from acceptance.campaign import Trial, campaign
from acceptance.forked import Command, start
from acceptance.judgement import disturbed, ended
from acceptance.moments import Moment
from acceptance.options import Options, asked
from acceptance.stage import Stage
from acceptance.subjects import Subject


def kill(stage: Stage, subject: Subject, folder: Path, seed: int, number: int) -> Trial:
    """Kill a command up to three times, then let it end."""
    drawn = random.Random(f"{seed}/{subject.name}/{number}")
    expected = stage.expected(subject)
    kills, wrong, at = 0, list[str](), ""
    for turn in range(drawn.choice([1, 1, 2, 3])):
        arguments = subject.next(folder) if turn and subject.grows else subject.arguments
        if drawn.random() < 0.25:
            seconds = drawn.uniform(0, expected.seconds)
            killed, at = _killed_after(stage, folder, arguments, seconds), f"{seconds:.2f} s"
        else:
            change = drawn.randint(1, expected.changes if turn == 0 else max(1, expected.changes // 2))
            outcome = stage.call(folder, *arguments, moment=Moment(folder, number=change))
            killed, at = outcome.code == -9, f"change {change} of {expected.changes}"
        kills += killed
        wrong += [f"killed at {at}: {line}" for line in disturbed(folder, subject, expected)]
    end, found = ended(folder, subject, expected, stage.call(folder, *subject.next(folder)))
    return Trial(end, [*wrong, *(f"after a kill at {at}: {line}" for line in found)], kills)


def _killed_after(stage: Stage, folder: Path, arguments: Sequence[str], seconds: float) -> bool:
    """Whether the call was killed so many seconds after it began, and had not ended before."""
    child = start(Command(arguments, folder), stage.seen / folder.name, stage.environment(folder.name))
    if child.ended(seconds):
        return False
    child.process.kill()
    return child.outcome().code == -9


def main(given: Options) -> int:
    """Kill all subjects in turn; 1 if anything was found."""
    return campaign("kill", "kills", kill, given)


if __name__ == "__main__":
    sys.exit(main(asked(__doc__)))
