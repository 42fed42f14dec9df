"""What is wrong with what a disturbed command left, and with what the next call made of it."""

from collections.abc import Sequence
from pathlib import Path

from acceptance.forked import Outcome
from acceptance.stage import Contents, Expected, contents, different, leftovers
from acceptance.subjects import Subject


def disturbed(folder: Path, subject: Subject, expected: Expected) -> list[str]:
    """What is wrong with the results that lie there now: half of a file, or parts of two results that read as one."""
    if subject.grows:
        return []
    found = contents(folder, subject)
    ages = {name: _age(digest, name, expected) for name, digest in found.items()}
    if not subject.foreign and (half := next((name for name, age in ages.items() if age == "neither"), None)):
        return [f"{half} is neither the older one nor the new one"]
    if {"old", "new"} <= set(ages.values()) and _reads(folder, subject):
        return [f"mixed: {', '.join(f'{name} is {age}' for name, age in ages.items())}"]
    if expected.old and not found:
        return ["the older result is gone, and no new one there"]
    return []


def ended(folder: Path, subject: Subject, expected: Expected, last: Outcome) -> tuple[str, list[str]]:
    """How it ended ("same", "kept", "refused" or "bad"), and what is wrong with the end."""
    found = contents(folder, subject)
    wrong = one_line(last) if last.code != 0 else []
    if last.code == 0:
        differing = different(found, expected.new)
        wrong += [] if differing is None else [f"ended with another {differing}"]
        wrong += [f"left {name}" for name in leftovers(folder)[:2]]
        return ("bad" if wrong else "same"), wrong
    if not wrong and different(found, expected.new) is None:
        return "kept", []
    return ("bad" if wrong else "refused"), wrong


def one_line(outcome: Outcome) -> list[str]:
    """What is wrong with a refusal."""
    lines = [line for line in outcome.err.splitlines() if line.strip() and not line.startswith("closegap: warning: ")]
    if outcome.code not in (1, 2):
        return [f"exit {outcome.code}: {outcome.err.strip()[-200:]!r}"]
    if len(lines) != 1 or not lines[0].startswith("closegap: ") or "a bug in closegap" in lines[0]:
        return [f"exit {outcome.code} with {len(lines)} lines: {outcome.err.strip()[-200:]!r}"]
    return []


def _age(digest: str, name: str, expected: Expected) -> str:
    ages: Sequence[tuple[str, Contents]] = (("both", expected.old), ("new", expected.new), ("old", expected.old))
    if expected.old.get(name) == digest == expected.new.get(name):
        return ages[0][0]
    return next((age for age, known in ages[1:] if known.get(name) == digest), "neither")


def _reads(folder: Path, subject: Subject) -> bool:
    """Whether a reader takes the results for one; pages have no reader that could refuse."""
    from closegap import EmbeddingSet
    from closegap.errors import ClosegapError

    tensors = next((folder / name for name in subject.results if name.endswith(".safetensors")), None)
    if tensors is None:
        return True
    try:
        EmbeddingSet.load(tensors)
    except ClosegapError:
        return False
    return True
