"""From a question to the vectors that are searched with."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from closegap.errors import DataError, UsageError
from closegap.kinds import ImageKind, Kind, TextKind
from closegap.models.model import Model
from closegap.search.archive.corrections import Corrections
from closegap.search.archive.query import Part, Query
from closegap.search.index import Index

Embedded: TypeAlias = tuple[Tensor, str]
"""The raw unit vector of a part, and its modality."""

_LEAST = 1e-4  # of the length of a sum of unit vectors


class UnknownCaseError(UsageError):
    """A case that is asked by is not in the archive."""


class QuestionError(DataError):
    """An item of a question, and not of the archive, is not what it should be."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A question as vectors.

    Args:
        raw: unit-norm, in the space of raw rows.
        moved: unit-norm, in that of moved rows.
        modality: of the heaviest part.
        own: modality to cases of which no row is a hit, since they ask.
    """

    raw: Float[Tensor, "d"]
    moved: Float[Tensor, "k"]
    modality: str
    own: dict[str, set[str]]


class Asking:
    """Makes vectors of questions.

    Args:
        index: of the archive.
        modalities: of the archive, in order.
        load: gives the archive's model, raw; called when first needed; None where there is none.
    """

    def __init__(self, index: Index, modalities: Sequence[str], load: Callable[[], Model] | None) -> None:
        self._index, self._modalities, self._load = index, modalities, load
        self._lock = threading.Lock()
        self._model: Model | None = None

    def model(self) -> Model:
        """The model, without a map of its own.

        Raises:
            UsageError: the archive has none.
        """
        if self._load is None:
            raise UsageError(
                "the archive was built from embeddings, without a model; ask by the id of a case, or by a vector"
            )
        with self._lock:
            if self._model is None:
                self._model = self._load()
            return self._model

    def embedded(self, query: Query) -> list[Embedded]:
        """Each part of a question, which does not depend on the corrections.

        Raises:
            UsageError: a modality or a form of asking that the archive has not.
            UnknownCaseError: a case that it has not.
            QuestionError: an item that the model cannot embed.
        """
        return [self._embedded(part) for part in query.parts if isinstance(part, Part)]

    def moved(self, query: Query, embedded: Sequence[Embedded], corrections: Corrections) -> Asked:
        """The question as the corrections move it.

        Raises:
            UsageError: parts that cancel each other out.
        """
        raw, moved, own = [], [], dict[str, set[str]]()
        heaviest, weight = "", 0.0
        for part, (vector, modality) in zip(query.parts, embedded, strict=True):
            assert isinstance(part, Part)
            raw.append(part.weight * vector.double())
            moved.append(part.weight * corrections.moved(vector[None].double(), modality)[0])
            if part.weight > weight:
                heaviest, weight = modality, part.weight
            if part.form == "case":
                own.setdefault(modality, set()).add(part.value)
        return Asked(_direction(raw), _direction(moved), heaviest, own)

    def _embedded(self, part: Part) -> Embedded:
        if part.modality is not None and part.modality not in self._modalities:
            known = ", ".join(self._modalities)
            raise UsageError(f"modality '{part.modality[:80]}' is not in the archive, which has {known}; name one")
        if part.form == "case":
            return self._of_case(part)
        if part.form == "vector":
            return _given(part), part.modality or self._modalities[0]
        modality = part.modality or self._first(TextKind if part.form == "text" else ImageKind, part.form)
        model, items = self.model(), dict[str, Any]({modality: [part.value]})
        try:
            return model.embed(**items)[modality][0].cpu(), modality
        except DataError as error:
            raise QuestionError(str(error)) from error

    def _first(self, kind: type[Kind], form: str) -> str:
        model = self.model()
        for name in model.modalities:
            if issubclass(model.encoder(name).takes, kind):
                return name
        listed = ", ".join(f"{name} ({model.encoder(name).takes.noun})" for name in model.modalities)
        raise UsageError(f"the model has no tower for {form}s, but for {listed}; name the modality that is to embed it")

    def _of_case(self, part: Part) -> Embedded:
        for modality in [part.modality] if part.modality else self._modalities:
            names = self._index.ids(modality, [part.value]) if modality in self._index.stats().widths else []
            if names:
                rows = torch.from_numpy(self._index.read(modality, names).vectors).double()
                return _direction(list(rows)), modality
        what = f" with {part.modality}" if part.modality else ""
        raise UnknownCaseError(
            f"no case '{str(part.value)[:80]}'{what} in the archive; see what `closegap search` lists"
        )


def _given(part: Part) -> Tensor:
    vector: Any = np.asarray(part.value, dtype=np.float64).reshape(-1)
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length < _LEAST:
        raise UsageError("the vector is zero or not finite; give an embedding of the archive's model")
    return torch.from_numpy(vector / length)


def _direction(vectors: Sequence[Float[Tensor, "d"]]) -> Float[Tensor, "d"]:
    """The unit vector of a sum."""
    total = torch.stack(list(vectors)).sum(0)
    if not float(total.norm()) > _LEAST:
        raise UsageError("the parts of the question cancel each other out; give one more weight")
    found: Float[Tensor, d] = normalize(total, dim=0)
    return found
