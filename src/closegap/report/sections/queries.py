"""Ten queries with their top five, so that a reader sees what a recall means."""

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError, needs
from closegap.report.figures import Control, Section, options
from closegap.report.html import render

with needs("image"):
    from PIL import Image

_SIDE = 200
_CHARACTERS = 600


@dataclass(frozen=True)
class Item:
    """What a reader sees of an item: a text, or a JPEG image, or both."""

    text: str | None = None
    image: bytes | None = None


@dataclass(frozen=True)
class Hit:
    """One of the items found.

    Args:
        id: its case.
        item: what is shown.
        cosine: with the query.
        match: whether it belongs to the query's case.
    """

    id: str
    item: Item
    cosine: float
    match: bool


@dataclass(frozen=True)
class Query:
    """A query and what it found.

    Args:
        id: its case.
        item: what is shown.
        hits: the nearest items, best first.
        rank: of the best true match, from 1; ties count by index.
        gallery: number of items searched.
    """

    id: str
    item: Item
    hits: Sequence[Hit]
    rank: int
    gallery: int


Shown: TypeAlias = Mapping[str, Callable[[int], Image.Image | str]]
"""Modality name to what is shown of a row."""


def top_hits(
    embeddings: EmbeddingSet,
    source: str,
    target: str,
    shown: Shown,
    *,
    queries: int = 10,
    hits: int = 5,
    seed: int = 0,
) -> list[Query]:
    """Random queries of one modality and the nearest items of another, over the full gallery.

    The choice depends on `seed`, ids and presence alone, so that arms of one data set answer the same queries.

    Args:
        embeddings: queries and gallery.
        source: modality of the queries.
        target: modality of the gallery.
        shown: how a row of either modality is shown.
        queries: how many to draw, without replacement.
        hits: how many items to show for each.
        seed: of the draw.

    Raises:
        DataError: no case has both modalities.
    """
    gallery = torch.nonzero(embeddings.mask(target)).flatten().tolist()
    answerable = {embeddings.ids[row] for row in gallery}
    asking = [r for r in torch.nonzero(embeddings.mask(source)).flatten().tolist() if embeddings.ids[r] in answerable]
    if not asking:
        raise DataError(f"queries {source} to {target}: no case has both; check the presence masks")
    picked = np.random.default_rng(seed).permutation(len(asking))[:queries]
    index = embeddings.embeddings[target][gallery].float()
    found = []
    for row in (asking[i] for i in picked.tolist()):
        cosines = index @ embeddings.embeddings[source][row].float()
        order = torch.sort(cosines, descending=True, stable=True).indices.tolist()
        true = [embeddings.ids[gallery[i]] == embeddings.ids[row] for i in order]
        top = [
            Hit(embeddings.ids[gallery[i]], _item(shown[target](gallery[i])), float(cosines[i]), match)
            for i, match in zip(order[:hits], true, strict=False)
        ]
        found.append(Query(embeddings.ids[row], _item(shown[source](row)), top, true.index(True) + 1, len(gallery)))
    return found


def queries_section(arms: Mapping[str, Mapping[str, Sequence[Query]]]) -> Section:
    """The queries of each arm and direction; the reader chooses both.

    Args:
        arms: arm name to direction ("image_to_caption") to queries.
    """
    directions = list(dict.fromkeys(direction for by_direction in arms.values() for direction in by_direction))
    pictures: dict[bytes, int] = {}
    for by_direction in arms.values():
        for query in (query for queries in by_direction.values() for query in queries):
            for image in (query.item.image, *(hit.item.image for hit in query.hits)):
                if image is not None:
                    pictures.setdefault(image, len(pictures))
    controls = []
    if len(arms) > 1:
        controls.append(Control("arm", "Arm", options(list(arms)), list(arms)[-1]))
    if len(directions) > 1:
        controls.append(Control("direction", "Direction", {d: d.replace("_to_", " → ") for d in directions}))
    shown = {control.name for control in controls}
    blocks = [
        (
            {name: value for name, value in (("arm", arm), ("direction", direction)) if name in shown},
            queries,
        )
        for arm, by_direction in arms.items()
        for direction, queries in by_direction.items()
    ]
    return Section(
        title="Queries and what they find",
        lead="Drawn at random, not picked; every arm answers the same ones. The true match is framed.",
        html=render("queries.html", blocks=blocks, pictures=pictures),
        controls=controls,
        shared={"pictures": [base64.b64encode(image).decode() for image in pictures]},
    )


def _item(raw: Image.Image | str) -> Item:
    if isinstance(raw, str):
        return Item(text=raw if len(raw) <= _CHARACTERS else raw[: _CHARACTERS - 1].rstrip() + "…")
    return Item(image=thumbnail(raw))


def thumbnail(image: Image.Image) -> bytes:
    """JPEG of at most 200 pixels a side; deeper than 8 bit is stretched from its darkest to its brightest value."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float64)
        low, high = float(values.min()), float(values.max())
        scale = 255 / (high - low) if high > low and math.isfinite(high - low) else 0.0
        image = Image.fromarray(((values - low) * scale).astype(np.uint8))
    image = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
