"""What conditions may name: what some row of an archive knows."""

from collections.abc import Sequence
from difflib import get_close_matches

from closegap.errors import UsageError
from closegap.search.archive.feed import CONTENT
from closegap.search.checks import OWN_KEYS
from closegap.search.filter import Filter, Missing, keys_of
from closegap.search.index import Index

_LOOKED_AT = 200  # rows of a modality whose keys are listed


class UnknownKeyError(UsageError):
    """A condition names what no row knows."""


class Known:
    """The keys of an archive's rows, as far as conditions asked for them.

    Args:
        index: of the archive.
        modalities: of the archive.
    """

    def __init__(self, index: Index, modalities: Sequence[str]) -> None:
        self._index, self._modalities = index, modalities
        self._keys = set(OWN_KEYS)

    def expect(self, condition: Filter) -> None:
        """Refuse a condition on what no row knows, which would find nothing, or everything.

        Raises:
            UnknownKeyError: names it.
        """
        there = [name for name, count in self._index.stats().rows.items() if count and name in self._modalities]
        for key in sorted(keys_of(condition) - self._keys):
            if any(self._index.count(name, Missing(key, missing=False)) for name in there):
                self._keys.add(key)
            elif there:
                known = self._listed(there)
                near = get_close_matches(key, known, n=1)
                advice = f"did you mean {near[0]}?" if near else f"rows know {', '.join(known)}"
                raise UnknownKeyError(f"condition on '{key[:80]}': no row of the archive knows it; {advice}")

    def _listed(self, modalities: Sequence[str]) -> list[str]:
        found = dict.fromkeys(OWN_KEYS)
        for name in modalities:
            rows = self._index.read(name, self._index.ids(name)[:_LOOKED_AT]).rows
            found |= dict.fromkeys(key for row in rows for key in row.payload if key != CONTENT)
        return list(found)
