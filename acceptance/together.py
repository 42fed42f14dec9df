"""Two commands in one folder: while one is in the middle of its work, the other is refused in a line.

    python -m acceptance.together --count 30 --seed 0

The first stops itself at a change of the file system, the second is called, then the first goes on. Where two must
not work in one place, one of them is refused; what lies there in the end is what the other leaves when it is alone. The
last line is a summary; the exit code is 1 if anything was found.
"""

import argparse
import random
import sys
import time
from collections import Counter

from acceptance.forked import Command, start
from acceptance.judgement import one_line
from acceptance.moments import Moment
from acceptance.options import Options, options
from acceptance.stage import Stage, contents, different
from acceptance.subjects import SUBJECTS, Subject


def meeting(stage: Stage, subject: Subject, seed: int, number: int) -> tuple[str, list[str]]:
    """Which of two calls was refused ("first", "second", "neither"), and what is wrong."""
    drawn = random.Random(f"{seed}/{subject.name}/{number}")
    expected = stage.expected(subject)
    folder = stage.folder(subject, f"{subject.name}-{number}")
    change = drawn.randint(1, expected.changes)
    begun = Command(subject.arguments, folder, Moment(folder, "stop", change))
    first = start(begun, stage.seen / f"{folder.name}-first", stage.environment(folder.name))
    if not first.stopped():
        first.outcome()
        stage.clear(folder)
        return "neither", []
    second = stage.call(folder, *subject.next(folder))
    first.go_on()
    ends = {"first": first.wait(), "second": second}
    refused = [name for name, outcome in ends.items() if outcome.code != 0]
    wrong = [f"the {name}: {line}" for name in refused for line in one_line(ends[name])]
    if not refused and subject.alone:
        wrong.append("both were let in")
    differing = different(contents(folder, subject), expected.new)
    if differing is not None and len(refused) < 2 and not (subject.again and not subject.grows and "second" in refused):
        wrong.append(f"{' and '.join(refused) or 'neither'} refused, and {differing} is another")
    stage.clear(folder)
    where = f"the first stopped at change {change} of {expected.changes}"
    return "first" if "first" in refused else "second" if refused else "neither", [f"{where}: {line}" for line in wrong]


def main(given: Options) -> int:
    """Let pairs of every subject meet; 1 if anything was found."""
    stage, began = Stage(given.root / "together"), time.monotonic()
    subjects = [subject for subject in SUBJECTS if not given.only or subject.name in given.only]
    bad, refusals = 0, Counter[str]()
    for turn in range(given.count):
        subject = subjects[turn % len(subjects)]
        refused, wrong = meeting(stage, subject, given.seed, turn // len(subjects))
        refusals[refused] += 1
        bad += bool(wrong)
        for line in wrong:
            print(f"  {subject.name}:{turn // len(subjects)}: {line}", flush=True)
    print(
        f"TOGETHER {given.count} pairs of {len(subjects)} commands, seed {given.seed}: {bad} with findings; the second "
        f"was refused {refusals['second']} times, the first {refusals['first']}, neither {refusals['neither']}; "
        f"{time.monotonic() - began:.0f} s"
    )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(options(argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter))))
