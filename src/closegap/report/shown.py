"""What a person sees of a case: its image, its text, its record in a line."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from closegap.data import Case, ImageSource, load_image
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import needs
from closegap.report.sections.queries import Shown

with needs("image"):
    from PIL import Image

_THUMBNAIL = 224


def shown_items(embeddings: EmbeddingSet, cases: Sequence[Case]) -> Shown:
    """For each modality, a function from the row of the set to what is shown of it there.

    Args:
        embeddings: a set whose rows of one id are the views of that case, in order.
        cases: the cases, views included.
    """
    by_id = {case.id: case for case in cases}
    seen: dict[str, int] = {}
    rows = []
    for case_id in embeddings.ids:
        rows.append((by_id[case_id], seen.get(case_id, 0)))
        seen[case_id] = seen.get(case_id, 0) + 1
    return {name: _shower(name, rows) for name in embeddings.modalities}


def hover_texts(embeddings: EmbeddingSet, shown: Shown) -> list[str]:
    """One text per row: the first modality that is text there."""
    texts = []
    masks: Mapping[str, Any] = {name: embeddings.mask(name) for name in embeddings.modalities}
    for row in range(len(embeddings.ids)):
        found = (shown[name](row) for name in embeddings.modalities if name != "image" and masks[name][row])
        texts.append(next((text for text in found if isinstance(text, str)), ""))
    return texts


def _shower(name: str, rows: Sequence[tuple[Case, int]]) -> Callable[[int], Image.Image | str]:
    def show(row: int) -> Image.Image | str:
        case, view = rows[row]
        return _show(case.views[name][view])

    return show


def _show(item: Any) -> Image.Image | str:
    if isinstance(item, Path | ImageSource):
        image = load_image(item, _THUMBNAIL)
        image.thumbnail((_THUMBNAIL, _THUMBNAIL))
        return image
    if isinstance(item, Mapping):
        return ", ".join(f"{key} {_value(value)}" for key, value in item.items() if value is not None)
    if isinstance(item, str):
        return item
    return ", ".join(item)


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
