"""Items that cannot be used, told with the row, the case and the modality that they are of."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from closegap.data.case import BrokenRow, Case
from closegap.data.verification import problems
from closegap.errors import DataError
from closegap.kinds.base import Kind

MEND = "mend it, or leave such rows out with --checks.on_error skip"


def unreadable(case: Case, modality: str, kind: Kind, problem: str) -> BrokenRow:
    """The row of a case with an item that cannot be used.

    Args:
        case: the case.
        modality: the item's.
        kind: the item's.
        problem: what `Kind.problem` says of it.
    """
    return BrokenRow(f"{kind.noun} unreadable", case.named, f"modality '{modality}': {problem}")


@contextmanager
def naming_broken_items(cases: Sequence[Case], kinds: Mapping[str, Kind]) -> Iterator[None]:
    """Around the preparing of items that nobody has looked at: an error about one names its row, case and modality.

    Who prepares items knows no cases. So the items of these are looked at when something has gone wrong, and only then.

    Args:
        cases: whose items are prepared.
        kinds: modality name to the kind of its items.

    Raises:
        DataError: the first broken item, or, where none is, whatever was raised.
    """
    try:
        yield
    except DataError as error:
        row = next(_unreadable(cases, kinds), None)
        if row is None:
            raise
        raise DataError(f"{row.where}: {row.message}; {MEND}") from error


def _unreadable(cases: Sequence[Case], kinds: Mapping[str, Kind]) -> Iterator[BrokenRow]:
    for name, kind in kinds.items():
        held = [(case, item) for case in cases for item in case.views.get(name, ())]
        for (case, _), problem in zip(held, problems(kind, [item for _, item in held]), strict=True):
            if problem is not None:
                yield unreadable(case, name, kind, problem)
