"""Two commands in one place: while one is in the middle of its work, the other is refused in a line.

    python -m acceptance.together --count 30 --seed 0
    python -m acceptance.together --case resume:1 --seed 0     one pair again, its files kept

The first stops itself at a change of the file system, the second is called, then the first goes on. Where two must
not work in one place, one of them is refused; what lies there in the end is what the other leaves when it is alone. The
last line is a summary; the exit code is 1 if anything was found.
"""

import random
import sys
from pathlib import Path

from acceptance.campaign import Trial, campaign
from acceptance.forked import Command, start
from acceptance.judgement import one_line
from acceptance.moments import Moment
from acceptance.options import Options, asked
from acceptance.stage import Stage, contents, different
from acceptance.subjects import Subject


def meeting(stage: Stage, subject: Subject, folder: Path, seed: int, number: int) -> Trial:
    """Let two calls meet in a folder."""
    drawn = random.Random(f"{seed}/{subject.name}/{number}")
    expected = stage.expected(subject)
    change = drawn.randint(1, expected.changes)
    first = start(
        Command(subject.arguments, folder, Moment(folder, "stop", change)),
        stage.seen / f"{folder.name}-first",
        stage.environment(folder.name),
    )
    if not first.stopped():
        return Trial("not reached", one_line(first.outcome()))
    second = stage.call(folder, *subject.next(folder))
    first.go_on()
    ends = {"first": first.wait(), "second": second}
    refused = [name for name, outcome in ends.items() if outcome.code != 0]
    wrong = [f"the {name}: {line}" for name in refused for line in one_line(ends[name])]
    middle = expected.changes / 4 <= change <= 3 * expected.changes / 4
    if not refused and subject.alone and middle:  # at its ends, one may come before or after the other
        wrong.append("both were let in")
    if len(refused) < 2 and not (subject.foreign and refused == ["second"]):
        differing = different(contents(folder, subject), expected.new)
        wrong += [] if differing is None else [f"ended with another {differing}"]
    said = f"{' and '.join(refused) or 'neither'} refused"
    return Trial(said, [f"first stopped at change {change} of {expected.changes}, {said}: {line}" for line in wrong])


def main(given: Options) -> int:
    """Let pairs of every subject meet; 1 if anything was found."""
    return campaign("together", "pairs", meeting, given)


if __name__ == "__main__":
    sys.exit(main(asked(__doc__)))
