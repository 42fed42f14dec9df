"""From a source to cases that can be trained on: what is broken, what leaks, what is left out."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from closegap.bounds import Share
from closegap.checked import check_fields
from closegap.data.broken_item import MEND, unreadable
from closegap.data.case import BrokenRow, Case
from closegap.data.duplicates import merged
from closegap.data.source import Source
from closegap.data.verification import problems
from closegap.errors import DataError, UsageError
from closegap.formulas import write_csv
from closegap.kinds.base import Kind
from closegap.progress import Progress

Verifier: TypeAlias = Callable[[Sequence[Any]], Sequence[str | None]]
"""From the items of a modality to what is wrong with each."""

_SPLITS = ("train", "validation", "test")  # the later, the more held out
_LEAK = "group in two splits"
_NOTHING = "no modality asked for"
_ORDERLY = frozenset({_LEAK, _NOTHING})  # left out by intention: no sign of a damaged data set


@dataclass(frozen=True)
class Checks:
    """What to do about rows that are not sound.

    Args:
        on_error: "raise" stops at broken rows, "skip" leaves them out and counts them.
        max_skipped: the share of broken rows, 0..1, beyond which nothing starts even with "skip".
        leaks: what to do about a group in two splits: "raise" stops, "drop" leaves out its rows of the less held-out
            split (train before validation before test).
        duplicates: what to do about cases of a split that share an item, as two studies with one report do: "keep" has
            each other's items as negatives, "merge" makes them one case with all their views, each other's positives.
        verify: look at every item before anything starts, images decoded; each of these once, and remembered.
    """

    on_error: Literal["raise", "skip"] = "raise"
    max_skipped: Share = 0.05
    leaks: Literal["raise", "drop"] = "raise"
    duplicates: Literal["keep", "merge"] = "keep"
    verify: bool = True

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Cases:
    """Cases by split, and what was left out.

    Args:
        kinds: name of each modality that was asked for to the kind of its items, in that order.
        splits: split to its cases, in the source's order; only splits that have cases.
        skipped: everything left out: broken rows, leaks, cases with none of the modalities.
    """

    kinds: Mapping[str, Kind]
    splits: Mapping[str, tuple[Case, ...]]
    skipped: tuple[BrokenRow, ...] = ()

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that were asked for."""
        return tuple(self.kinds)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows were left out, by reason."""
        return dict(Counter(row.reason for row in self.skipped).most_common())

    def split(self, name: str) -> tuple[Case, ...]:
        """The cases of a split.

        Raises:
            DataError: there are none.
        """
        if name not in self.splits:
            raise DataError(f"no cases in split '{name}'; there are {_listed(self.splits)}")
        return self.splits[name]

    def write_skipped(self, path: Path) -> None:
        """Write a table of what was left out: reason, where, message."""
        rows = ((row.reason, row.where, row.message) for row in self.skipped)
        write_csv(path, [("reason", "where", "message"), *rows])


def load_cases(
    source: Source,
    checks: Checks | None = None,
    modalities: Sequence[str] | None = None,
    progress: Progress | None = None,
    verifiers: Mapping[str, Verifier] | None = None,
    prepared: Collection[str] = _SPLITS,
) -> Cases:
    """The sound cases of a source.

    Args:
        source: the data set.
        checks: what to do about rows that are not sound; `Checks()` by default.
        modalities: those that are needed; all of the source's by default. Cases are narrowed to them, and a case that
            has none of them is left out.
        progress: called as images are decoded, and items of any other kind that takes long to look at.
        verifiers: modality name to what finds its broken items, where somebody prepares them anyway and would only
            decode them a second time.
        prepared: the splits whose items somebody prepares; those of the others are looked at by their kinds.

    Raises:
        UsageError: a modality that the data lack.
        DataError: broken rows or leaks that `checks` does not allow, or nothing left.
    """
    checks = checks or Checks()
    known = source.kinds
    wanted = tuple(known if modalities is None else modalities)
    for modality in wanted:
        if modality not in known:
            raise UsageError(
                f"the data have no modality '{modality}'; they have {_listed(known)}; "
                "name the towers in model.encoders after them"
            )
    kinds = {name: known[name] for name in wanted}
    cases, skipped = _read(source, wanted)
    cases, missing = _without_missing(cases, kinds)
    skipped = [row.within(source.data_root) for row in skipped + missing]
    rows = len(cases) + len(skipped)
    _judge(skipped, rows, checks)  # before hours are spent on decoding
    cases, leaks = _separate(cases, checks)
    skipped += leaks
    if checks.verify:
        cases, unreadable = _without_unreadable(cases, kinds, verifiers or {}, prepared, progress)
        skipped += [row.within(source.data_root) for row in unreadable]
        _judge(skipped, rows, checks)
    if not cases:
        raise DataError(f"no case is left{_reasons(skipped)}")
    for modality in wanted:
        if not any(modality in case.views for case in cases):
            raise DataError(f"modality '{modality}': no case has it; name another or look at the rows left out")
    splits = {name: tuple(case for case in cases if case.split == name) for name in _SPLITS}
    if checks.duplicates == "merge":
        splits = {name: tuple(merged(held, kinds)) for name, held in splits.items()}
    return Cases(kinds, {name: held for name, held in splits.items() if held}, tuple(skipped))


def _read(source: Source, wanted: Sequence[str]) -> tuple[list[Case], list[BrokenRow]]:
    cases: dict[str, Case] = {}
    skipped: list[BrokenRow] = []
    for row in source.rows():
        if isinstance(row, BrokenRow):
            skipped.append(row)
        elif row.split not in _SPLITS:
            message = f"split '{row.split}', expected one of {_listed(_SPLITS)}"
            skipped.append(BrokenRow("unknown split", row.named, message))
        elif row.id in cases:
            message = f"id '{row.id}' of {cases[row.id].split} comes again in {row.split}; ids are unique in a data set"
            skipped.append(BrokenRow("duplicate id", row.named, message))
        else:
            views = {name: row.views[name] for name in wanted if row.views.get(name)}
            cases[row.id] = replace(row, views=views)
    for case in [case for case in cases.values() if not case.views]:
        del cases[case.id]
        message = f"has none of {_listed(wanted)}"
        skipped.append(BrokenRow(_NOTHING, case.named, message))
    return list(cases.values()), skipped


def _without_missing(cases: Sequence[Case], kinds: Mapping[str, Kind]) -> tuple[list[Case], list[BrokenRow]]:
    """The cases without those of which an item's file is not there."""
    there: dict[Path, bool] = {}  # a file may hold the items of a million cases
    kept, missing = [], []
    for case in cases:
        row = None
        for name, items in case.views.items():
            for place in filter(None, map(kinds[name].place, items)):
                if place.file not in there:
                    there[place.file] = _is_file(place.file)
                if row is None and not there[place.file]:
                    noun = kinds[name].noun
                    message = f"modality '{name}': {place.file}: no such {'file' if place.part else noun}"
                    row = BrokenRow(f"{noun} missing", case.named, message)
        if row is None:
            kept.append(case)
        else:
            missing.append(row)
    return kept, missing


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be read
        return False


def _without_unreadable(
    cases: Sequence[Case],
    kinds: Mapping[str, Kind],
    verifiers: Mapping[str, Verifier],
    prepared: Collection[str],
    progress: Progress | None,
) -> tuple[list[Case], list[BrokenRow]]:
    """The cases without those that have an item with which something is wrong; what is quick to see comes first."""
    broken: dict[str, BrokenRow] = {}
    for name, kind in sorted(kinds.items(), key=lambda named: named[1].costly):
        sound = [case for case in cases if case.id not in broken]
        # Split by split, as they are prepared later: what shares a batch would change the last bit of a feature.
        ready = [split for split in _SPLITS if name in verifiers and split in prepared]
        looks: list[tuple[Verifier, Collection[str]]] = [(verifiers[name], {split}) for split in ready]
        looks.append((partial(problems, kind, progress=progress), set(_SPLITS) - set(ready)))
        for find, splits in looks:
            held = [(case, item) for case in sound if case.split in splits for item in case.views.get(name, ())]
            for (case, _), problem in zip(held, find([item for _, item in held]), strict=True):
                if problem is not None and case.id not in broken:
                    broken[case.id] = unreadable(case, name, kind, problem)
    return [case for case in cases if case.id not in broken], [broken[case.id] for case in cases if case.id in broken]


def _judge(skipped: Sequence[BrokenRow], rows: int, checks: Checks) -> None:
    """Refuse what `checks` does not allow of `rows` rows, some of them broken."""
    broken = [row for row in skipped if row.reason not in _ORDERLY]
    if not broken:
        return
    first = f"{broken[0].where}: {broken[0].message}"
    share = f"{len(broken)} of {rows} rows are broken{_reasons(broken)}"
    if checks.on_error == "raise":
        others = f" ({share})" if len(broken) > 1 else ""
        raise DataError(f"{first}{others}; {MEND}")
    if len(broken) > checks.max_skipped * rows:
        raise DataError(f"{share}, more than --checks.max_skipped {checks.max_skipped:g}; the first: {first}")


def _separate(cases: Sequence[Case], checks: Checks) -> tuple[list[Case], list[BrokenRow]]:
    """The cases without those whose group is also in a more held-out split."""
    held_out: dict[str, str] = {}
    crossing: dict[str, set[str]] = {}
    for case in cases:
        other = held_out.setdefault(case.group, case.split)
        if other != case.split:
            crossing.setdefault(case.group, {other}).add(case.split)
            held_out[case.group] = max(other, case.split, key=_SPLITS.index)
    if crossing and checks.leaks == "raise":
        group, splits = next(iter(crossing.items()))
        others = f" ({len(crossing)} such groups)" if len(crossing) > 1 else ""
        raise DataError(
            f"group '{group}' is in {' and '.join(sorted(splits, key=_SPLITS.index))}{others}: "
            "what is learnt of one would be tested on the other; split by group, or use --checks.leaks drop"
        )
    kept, leaks = [], []
    for case in cases:
        if held_out[case.group] == case.split:
            kept.append(case)
        else:
            message = f"group '{case.group}' is in {case.split} and in {held_out[case.group]}; kept in the latter"
            leaks.append(BrokenRow(_LEAK, case.named, message))
    return kept, leaks


def _reasons(rows: Sequence[BrokenRow]) -> str:
    counts = Counter(row.reason for row in rows).most_common()
    return f": {', '.join(f'{reason} {count}' for reason, count in counts)}" if counts else ""


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none"
