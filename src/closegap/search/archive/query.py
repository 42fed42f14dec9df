"""What an archive is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal, TypeAlias

from closegap.errors import UsageError
from closegap.search.filter import Filter

Merge: TypeAlias = Literal["corrected", "cosine"]
"""By what the modalities are merged into one list: scores as they were made comparable, or cosines of raw rows."""

_MOST = 10_000  # hits of one answer


@dataclass(frozen=True, eq=False)
class Part:
    """One thing that is asked for, or, with a weight below 0, that is asked to be absent.

    Make one with `text`, `image`, `item`, `case` or `vector`.

    Args:
        form: what the value is.
        value: a text, an image, an item of the modality's kind, the id of a case, a vector.
        modality: whose tower embeds it, or which of the case's rows ask; None for the first that fits.
        weight: what its unit vector is multiplied by in the sum.
    """

    form: Literal["text", "image", "item", "case", "vector"]
    value: Any
    modality: str | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isfinite(self.weight) or not self.weight:
            raise UsageError(f"weight {self.weight:g} given, expected a number that is not 0")
        if isinstance(self.value, str) and not any(one.isprintable() and not one.isspace() for one in self.value):
            what = "the id of a case" if self.form == "case" else "some words"
            raise UsageError(f"{self.form} {self.value[:80]!r}: empty; give {what}, or leave it out")

    @classmethod
    def text(cls, text: str, weight: float = 1.0, modality: str | None = None) -> "Part":
        """Words."""
        return cls("text", text, modality, weight)

    @classmethod
    def image(cls, image: Any, weight: float = 1.0, modality: str | None = None) -> "Part":
        """An image: a path or a PIL image."""
        return cls("image", image, modality, weight)

    @classmethod
    def item(cls, item: Any, modality: str, weight: float = 1.0) -> "Part":
        """An item of any modality, as its kind takes it from a person."""
        return cls("item", item, modality, weight)

    @classmethod
    def case(cls, case: str, weight: float = 1.0, modality: str | None = None) -> "Part":
        """What the archive has of a case in a modality; its rows of that modality are not among the hits."""
        return cls("case", case, modality, weight)

    @classmethod
    def vector(cls, vector: Any, modality: str, weight: float = 1.0) -> "Part":
        """An embedding of the archive's model, raw."""
        return cls("vector", vector, modality, weight)


@dataclass(frozen=True, eq=False)
class Query:
    """A question.

    Its vector is the weighted sum of its parts' unit vectors, each moved by the post-hoc map of its own modality where
    scores are corrected, and made unit-norm. Score stage and calibration take it for a query of the modality of its
    heaviest part.

    Args:
        parts: what is asked for; a text alone is one part.
        k: how many hits at most.
        within: the modalities that are searched; all by default.
        where: a condition on what is known of the rows, in words or parsed.
        quotas: modality to how many hits at most are of it; one that is not named has no quota.
        merge: by what modalities are merged into one list.
        alpha: how often a set of answers may miss: what lies below its threshold is no answer.
        exact: whether every row is compared, on engines that can do with less.
    """

    parts: Sequence[Part] | str
    k: int = 10
    within: Sequence[str] = ()
    where: Filter | str | None = None
    quotas: Mapping[str, int] = field(default_factory=dict)
    merge: Merge = "corrected"
    alpha: float = 0.1
    exact: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.parts, str):
            object.__setattr__(self, "parts", (Part.text(self.parts),))
        if not self.parts or all(part.weight < 0 for part in self.parts if isinstance(part, Part)):
            raise UsageError("nothing is asked for; give a text, an image or a case")
        for what, number in {"k": self.k, **{f"quota of {name}": most for name, most in self.quotas.items()}}.items():
            if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= _MOST:
                raise UsageError(f"{what}: {number!r} given, expected a whole number from 1 to {_MOST:,}")
        if isinstance(self.within, str):
            raise UsageError(f"within: {self.within[:80]!r} given, expected a list of modalities; put it into one")
        if self.merge not in ("corrected", "cosine"):
            raise UsageError(f"merge: {self.merge!r} given, expected 'corrected' or 'cosine'")
        if not 0 < self.alpha < 1:
            raise UsageError(f"alpha {self.alpha:g} given, expected a number above 0, below 1")
