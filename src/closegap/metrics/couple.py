"""Two modalities of a set: what a metric measures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from jaxtyping import Bool, Int
from torch import Tensor

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.calibrator import Calibrator
from closegap.metrics.positives import Rows, rows_of
from closegap.metrics.stage import Stage

P = ParamSpec("P")
T = TypeVar("T")

Counts = Int[Tensor, "b g"]
"""How often each group is drawn in each resample (`resample_counts`)."""


@dataclass(frozen=True)
class Couple:
    """Two modalities of a set.

    Args:
        embeddings: the set.
        a: the first modality.
        b: the second.
        x: the rows of the first.
        y: the rows of the second.
        chosen: the cases, by number, that are measured where all would take too long; None for all.
        label: which of the set's labels are meant; "" where it has none.
        stage: what scores go through where one index holds both modalities; None for nothing.
        calibration: what says how probable it is that a target is relevant; None for nothing.
    """

    embeddings: EmbeddingSet
    a: str
    b: str
    x: Rows
    y: Rows
    chosen: Bool[Tensor, "c"] | None = None
    label: str = ""
    stage: Stage | None = None
    calibration: Calibrator | None = None
    _found: dict[object, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        embeddings: EmbeddingSet,
        a: str,
        b: str,
        chosen: Bool[Tensor, "c"] | None = None,
        stage: Stage | None = None,
        calibration: Calibrator | None = None,
    ) -> "Couple":
        """The modalities `a` and `b` of a set, with its first labels."""
        label = next(iter(embeddings.labels), "")
        x, y = rows_of(embeddings, a), rows_of(embeddings, b)
        return cls(embeddings, a, b, x, y, chosen, label, stage, calibration)

    @property
    def direction(self) -> str:
        """The name of searching the second modality from the first: `image_to_caption`."""
        return f"{self.a}_to_{self.b}"

    @property
    def swapped(self) -> "Couple":
        """The same with the modalities the other way round."""
        return replace(self, a=self.b, b=self.a, x=self.y, y=self.x)

    @property
    def labels(self) -> Sequence[str]:
        """The chosen label of each row of the set."""
        return self.embeddings.labels[self.label]

    def labelled(self, label: str) -> "Couple":
        """The same with others of the set's labels."""
        return replace(self, label=label)

    def some(self, rows: Rows) -> Rows:
        """Those of the rows whose case is measured."""
        return rows if self.chosen is None else rows.pick(self.chosen[rows.cases])

    def under(self, stage: Stage | None, calibration: Calibrator | None) -> "Couple":
        """The same rows, whose scores go through something else; what was computed once is kept."""
        return replace(self, stage=stage, calibration=calibration)

    def once(self, found: "Callable[Concatenate[Couple, P], T]", *args: P.args, **settings: P.kwargs) -> T:
        """What `found` gives for this couple, computed once for all metrics that ask.

        Args:
            found: a function of the rows, which looks at neither stage nor calibration.
            args: further arguments, the same at each call.
            settings: like them.
        """
        key = (found, self.a, self.b)
        if key not in self._found:
            self._found[key] = found(self, *args, **settings)
        return cast(T, self._found[key])
