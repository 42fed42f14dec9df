"""What a person sees of a case, as the kinds of its items show it."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from closegap.data import Case
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.kinds.base import Kind
from closegap.report.sections.queries import Item, Shown


def shown_items(embeddings: EmbeddingSet, cases: Sequence[Case], kinds: Mapping[str, Kind]) -> Shown:
    """For each modality, a function from the row of the set to what is shown of it there.

    Args:
        embeddings: a set whose rows of one id are the views of that case, in order.
        cases: the cases, views included.
        kinds: modality name to the kind of its items.
    """
    rows = _rows(embeddings, cases)
    return {name: _shower(name, kinds[name], rows) for name in embeddings.modalities}


def hover_texts(embeddings: EmbeddingSet, cases: Sequence[Case], kinds: Mapping[str, Kind]) -> list[str]:
    """One text per row: of the first modality there that words can say."""
    masks = {name: embeddings.mask(name).tolist() for name in embeddings.modalities}
    texts = []
    for row, (case, view) in enumerate(_rows(embeddings, cases)):
        found = (kinds[name].text(case.views[name][view]) for name, mask in masks.items() if mask[row])
        texts.append(next(filter(None, found), ""))
    return texts


def _rows(embeddings: EmbeddingSet, cases: Sequence[Case]) -> list[tuple[Case, int]]:
    """Case and view of each row."""
    by_id = {case.id: case for case in cases}
    seen: dict[str, int] = {}
    rows = []
    for case_id in embeddings.ids:
        rows.append((by_id[case_id], seen.get(case_id, 0)))
        seen[case_id] = seen.get(case_id, 0) + 1
    return rows


def _shower(name: str, kind: Kind, rows: Sequence[tuple[Case, int]]) -> Callable[[int], Item]:
    @cache  # drawing a clip takes a while, and most items are found more than once
    def show(row: int) -> Item:
        case, view = rows[row]
        return Item(kind.show(case.views[name][view]), kind.visual)

    return show
