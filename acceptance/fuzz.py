"""Malformed inputs for the command line: each is used, or refused in one line, and nothing else happens.

    python -m acceptance.fuzz --count 1000 --seed 0
    python -m acceptance.fuzz --case tables:17 --seed 0     one case again, its files kept

Run it where `closegap` can be imported, in the repository's root. A case is made from the seed, its kind and its number
alone and runs in a forked child, in a folder of its own. The last line is a summary; the exit code is 1 if anything was
found.
"""

import os
import random
import shlex
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.findings import Seen, findings, tree
from acceptance.forked import GIB, Child, Outcome, called
from acceptance.inputs import KINDS
from acceptance.inputs.case import Place
from acceptance.inputs.judged import not_finite
from acceptance.options import Options, asked
from acceptance.sound import NAME, make_sound
from acceptance.watched import SENTINEL_MODULE, Watch

PATIENCE = 10.0
"""Seconds of computing, or thrice as many of waiting, after which a command hangs."""


@dataclass(frozen=True)
class Attack:
    """A case by its name."""

    seed: int
    kind: str
    number: int

    @property
    def folder(self) -> str:
        """The name of the folder that it is made in."""
        return f"{self.kind}-{self.number}"

    def __str__(self) -> str:
        return f"{self.kind}:{self.number}"


def attempt(seen: Path, attack: Attack, folder: Path) -> dict[str, Any]:
    """Make a case in `folder`, call the command line with it, and say what happened; runs in a child."""
    os.chdir(folder)
    drawn = random.Random(f"{attack.seed}/{attack.kind}/{attack.number}")
    case = KINDS[attack.kind](Place(drawn, attack.number, Path("..") / NAME))
    sys.path.insert(0, str(folder.parents[1]))  # where sentinel_module is, which nothing may import
    before, watch = tree(folder), Watch()
    code = called(case.arguments, seen, case.call)
    wrong = ""
    if code == 0:
        wrong = (case.wrong() if case.wrong else "") or not_finite(Path("out"))
    told = {"arguments": list(case.arguments), "expected": case.expected, "names": case.names}
    return {"code": code, "before": before, "after": tree(folder), "ran": watch.ran, "wrong": wrong, **told}


class Fuzzer:
    """Runs cases side by side.

    Args:
        root: a folder that is made anew.
        given: how many at once, and what else was asked for.
    """

    def __init__(self, root: Path, given: Options) -> None:
        shutil.rmtree(root, ignore_errors=True)
        self.root, self.given = root, given
        self.cases, self.seen = root / "cases", root / "seen"
        self.cases.mkdir(parents=True)
        (root / "sentinel_module.py").write_text(SENTINEL_MODULE)
        make_sound(self.cases, self.seen / NAME, self._environment(NAME))

    def start(self, attack: Attack) -> tuple[Attack, Child]:
        """A case that has begun."""
        self.cases.joinpath(attack.folder).mkdir()
        seen, environment = self.seen / attack.folder, self._environment(attack.folder)
        return attack, Child(attempt, attack, self.cases / attack.folder, seen=seen, environment=environment)

    def end(self, attack: Attack, outcome: Outcome, keep: bool = False) -> list[str]:
        """What was found, after which nothing of the case is left."""
        temporary = self.root / "temporary" / attack.folder
        left = [f"left {path.name} in the folder of temporary files" for path in temporary.iterdir()]
        for made in (self.seen / attack.folder, temporary, *([] if keep else [self.cases / attack.folder])):
            shutil.rmtree(made, ignore_errors=True)
        return findings(Seen.of(outcome)) + left[:1]

    def _environment(self, name: str) -> dict[str, str]:
        temporary = self.root / "temporary" / name
        temporary.mkdir(parents=True)
        places = {"CLOSEGAP_CACHE": self.root / "cache", "TMPDIR": temporary, "XDG_STATE_HOME": self.root / "state"}
        return {variable: str(place) for variable, place in places.items()} | {"OMP_NUM_THREADS": "1"}

    def run(self, attacks: Sequence[Attack]) -> Iterator[tuple[Attack, Outcome, list[str]]]:
        """Each case with what became of it and what was found."""
        waiting, running = list(reversed(attacks)), list[tuple[Attack, Child]]()
        while waiting or running:
            while waiting and len(running) < self.given.workers:
                running.append(self.start(waiting.pop()))
            for attack, child in list(running):
                if child.ended(0.01) or child.hangs(PATIENCE):
                    running.remove((attack, child))
                    outcome = child.outcome(hung=not child.ended())
                    yield attack, outcome, self.end(attack, outcome)


def main(given: Options) -> int:
    """Run cases of every kind; 1 if anything was found."""
    fuzzer = Fuzzer(given.root / "fuzz", given)
    if given.case:
        kind, _, number = given.case.partition(":")
        attack = Attack(given.seed, kind, int(number))
        outcome = fuzzer.start(attack)[1].wait(PATIENCE)
        found = fuzzer.end(attack, outcome, keep=True)
        print(f"cd {fuzzer.cases / attack.folder}; closegap {shlex.join(outcome.answer.get('arguments', ['?']))}")
        print(
            f"exit {outcome.code}, {outcome.seconds:.1f} s, {outcome.memory / GIB:.2f} GiB\n{outcome.out}{outcome.err}"
        )
        print(outcome.answer.get("failed", ""), "\n".join(found) or "nothing found")
        return int(bool(found))
    kinds = given.only or list(KINDS)
    attacks = [Attack(given.seed, kinds[number % len(kinds)], number // len(kinds)) for number in range(given.count)]
    began, codes, done, bad, peak, computed = time.monotonic(), Counter[Any](), 0, 0, 0, 0.0
    with suppress(KeyboardInterrupt):  # who has seen enough gets the summary too
        for done, (attack, outcome, found) in enumerate(fuzzer.run(attacks), start=1):
            codes["hang" if outcome.code is None else outcome.code] += 1
            peak, bad, computed = max(peak, outcome.memory), bad + bool(found), computed + outcome.computed
            for line in found:
                print(f"  {attack}: {line} | {outcome.err.strip()[-200:]!r}", flush=True)
            if done % 500 == 0:
                print(f"  {done} of {len(attacks)} in {time.monotonic() - began:.0f} s, {bad} found", flush=True)
    counted = ", ".join(f"{count} exit {code}" for code, count in sorted(codes.items(), key=str))
    print(
        f"FUZZ {done} inputs of {len(kinds)} kinds, seed {given.seed}: {bad} with findings; {counted}; "
        f"at most {peak / GIB:.2f} GiB; {computed:.0f} s of computing in {time.monotonic() - began:.0f} s"
    )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(asked(__doc__)))
