"""A question as a client sends it."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from closegap.errors import UsageError
from closegap.kinds import CodesKind, TextKind
from closegap.search.archive.archive import Archive
from closegap.search.archive.query import Part, Query
from closegap.search.service.refused import RefusedError

Weight = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=512)]
_PARTS = 16


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Words(_Strict):
    """A text that is asked for, or, with a weight below 0, asked to be absent."""

    value: Annotated[str, Field(min_length=1, max_length=4000)]
    weight: Weight = 1.0
    modality: Name | None = None


class OfCase(_Strict):
    """What the archive has of a case."""

    id: Name
    modality: Name | None = None
    weight: Weight = 1.0


class Question(_Strict):
    """What an archive is asked."""

    text: Annotated[list[Words], Field(max_length=_PARTS)] = []
    cases: Annotated[list[OfCase], Field(max_length=_PARTS)] = []
    image_weights: Annotated[list[Weight], Field(max_length=_PARTS)] = []
    within: Annotated[list[Name], Field(alias="in", max_length=64)] = []
    where: Annotated[str, Field(max_length=2000)] | None = None
    k: Annotated[int, Field(ge=1)] = 10
    quotas: Annotated[dict[Name, Annotated[int, Field(ge=1, le=10_000)]], Field(max_length=64)] = {}

    @property
    def given(self) -> list[str]:
        """All that a client wrote, which no message repeats."""
        parts = [one.value for one in self.text] + [one.id for one in self.cases]
        named = [one.modality or "" for one in self.text] + [one.modality or "" for one in self.cases]
        return [*parts, *named, *self.within, *self.quotas, self.where or ""]


def parse_question(content: bytes, most: int) -> Question:
    """The question of a request's JSON.

    Raises:
        RefusedError: none, or one beyond the limits.
    """
    try:
        found = Question.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        known = (*Question.model_fields, *Words.model_fields, *OfCase.model_fields, "in")
        where = ".".join(str(one) for one in first["loc"] if isinstance(one, int) or one in known)
        raise RefusedError(400, f"{where or 'query'}: {first['msg']}; see /docs") from None
    if found.k > most:
        raise RefusedError(400, f"k: more than the {most} of this service; ask for fewer")
    return found


def query_of(question: Question, images: Sequence[Any], archive: Archive) -> Query:
    """The query to an archive.

    Args:
        question: as parsed.
        images: decoded ones.
        archive: that is asked.

    Raises:
        RefusedError: images and weights do not go together, or words for a tower that takes none.
        UsageError: nothing is asked for.
    """
    if question.image_weights and len(question.image_weights) != len(images):
        raise RefusedError(400, "image_weights: expected one for each image")
    weights = question.image_weights or [1.0] * len(images)
    parts = [Part.image(image, weight) for image, weight in zip(images, weights, strict=True)]
    for words in question.text:
        if words.modality is not None:
            _expect_words(archive, words.modality)
        parts.append(Part.text(words.value, words.weight, words.modality))
    parts += [Part.case(one.id, one.weight, one.modality) for one in question.cases]
    return Query(parts, question.k, tuple(question.within), question.where, question.quotas)


def _expect_words(archive: Archive, modality: str) -> None:
    """Refuse a tower that would take words for something else, such as the path of a file."""
    if modality not in archive.modalities:
        raise UsageError("the modality that is to embed the text is not in the archive")
    takes = archive.model().encoder(modality).takes
    if not issubclass(takes, TextKind | CodesKind):
        raise RefusedError(400, "text.modality: its tower takes no words; leave it out")
