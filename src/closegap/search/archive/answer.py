"""What an archive answers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from closegap.search.archive.query import Merge


@dataclass(frozen=True)
class Hit:
    """A row that was found.

    Args:
        modality: whose it is.
        id: names it within its modality.
        case: whose it is; hits of one case belong together.
        group: whose case it is, a patient.
        cosine: of the raw row and the raw query.
        score: what the corrections make of it: comparable between modalities, as far as they go.
        probability: that it is relevant, as its calibration means it; None where there is none for the modalities.
        answers: whether it lies in the set of answers; None where there is no calibration.
        text: what is shown of it in words; "" of a picture.
        payload: what filters know of it.
    """

    modality: str
    id: str
    case: str
    group: str
    cosine: float
    score: float
    probability: float | None
    answers: bool | None
    text: str
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """The hits, best first.

    Args:
        hits: at most as many as were asked for.
        query_modality: what score stage and calibration take the query for.
        merge: by what the modalities were merged.
        version: of the corrections; 0 without any.
        relevance: what a probability is of: pairs, labels or concepts; "" without a calibration.
        notes: what a reader should know, a line each.
        p_value: of the question having an answer here as little as those that were asked without theirs
            (`calibration.Unanswered`), among the rows that were searched; None where nothing tells.
        unsure: whether that is no higher than the question's alpha; None where nothing tells.
    """

    hits: Sequence[Hit]
    query_modality: str
    merge: Merge
    version: int
    relevance: str
    notes: Sequence[str] = ()
    p_value: float | None = None
    unsure: bool | None = None

    @property
    def cases(self) -> list[tuple[Hit, ...]]:
        """The hits of each case, in the order of each case's best."""
        found: dict[str, list[Hit]] = {}
        for hit in self.hits:
            found.setdefault(hit.case, []).append(hit)
        return [tuple(hits) for hits in found.values()]

    def as_json(self) -> dict[str, Any]:
        """The answer as JSON values."""
        return {
            "query_modality": self.query_modality,
            "merge": self.merge,
            "version": self.version,
            "relevance": self.relevance,
            "p_value": self.p_value,
            "unsure": self.unsure,
            "notes": list(self.notes),
            "hits": [asdict(hit) | {"payload": dict(hit.payload)} for hit in self.hits],
        }
