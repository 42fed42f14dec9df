"""Cases whose items say the same: each other's negatives, unless they become one case."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from closegap.data.case import Case
from closegap.kinds.base import Kind


def duplicates(cases: Sequence[Case], kinds: Mapping[str, Kind]) -> dict[str, int]:
    """How many cases have an item that says the same as one of another case, by modality; none where 0.

    Args:
        cases: of one split.
        kinds: modality name to the kind of its items, which says when two are the same (`Kind.said`).
    """
    found = {}
    for name in kinds:
        saying: dict[bytes, set[str]] = {}
        for case, said in _said(cases, kinds, name):
            saying.setdefault(said, set()).add(case.id)
        shared = set().union(*(ids for ids in saying.values() if len(ids) > 1))
        if shared:
            found[name] = len(shared)
    return found


def merged(cases: Sequence[Case], kinds: Mapping[str, Kind]) -> list[Case]:
    """Cases that share an item as one case with the views of all, so that each other's items are positives.

    The case keeps the first one's id and place, the labels in which all agree and the concepts of any; what says the
    same is one view. The groups of such cases become one of theirs.

    Args:
        cases: of one split.
        kinds: as in `duplicates`.
    """
    cases_of, groups_of = _Joined(), _Joined()
    for name in kinds:
        first: dict[bytes, Case] = {}
        for case, said in _said(cases, kinds, name):
            other = first.setdefault(said, case)
            cases_of.join(other.id, case.id)
            groups_of.join(other.group, case.group)
    members: dict[str, list[Case]] = {}
    for case in cases:
        members.setdefault(cases_of.first(case.id), []).append(case)
    found = [some[0] if len(some) == 1 else _one(some, kinds) for some in members.values()]
    return [replace(case, group=groups_of.first(case.group)) for case in found]


def _said(cases: Sequence[Case], kinds: Mapping[str, Kind], name: str) -> Iterator[tuple[Case, bytes]]:
    for case in cases:
        for item in case.views.get(name, ()):
            if (said := kinds[name].said(item)) is not None:
                yield case, said


def _one(cases: Sequence[Case], kinds: Mapping[str, Kind]) -> Case:
    views: dict[str, tuple[object, ...]] = {}
    for name in dict.fromkeys(name for case in cases for name in case.views):
        items = [item for case in cases for item in case.views.get(name, ())]
        said = [kinds[name].said(item) for item in items]
        views[name] = tuple(item for i, item in enumerate(items) if said[i] is None or said.index(said[i]) == i)
    labels = {
        name: label for name, label in cases[0].labels.items() if all(case.labels.get(name) == label for case in cases)
    }
    concepts = tuple(dict.fromkeys(concept for case in cases for concept in case.concepts))
    where = " and ".join(case.where for case in cases if case.where)
    return replace(cases[0], views=views, labels=labels, concepts=concepts, where=where)


class _Joined:
    """Names that were joined, directly or through others; of each the first that was seen."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}
        self._order: dict[str, int] = {}

    def first(self, name: str) -> str:
        """The first of the names that this one was joined with."""
        while self._parents.get(name, name) != name:
            self._parents[name] = self._parents.get(self._parents[name], self._parents[name])
            name = self._parents[name]
        return name

    def join(self, one: str, other: str) -> None:
        """Join two names."""
        for name in (one, other):
            self._order.setdefault(name, len(self._order))
        early, late = sorted((self.first(one), self.first(other)), key=lambda name: self._order[name])
        self._parents[late] = early
