"""What a client is given: archives, hits and items as JSON values."""

import hashlib
from collections import Counter
from typing import Any

from closegap.search.archive.answer import Answer, Hit
from closegap.search.archive.archive import Archive
from closegap.search.archive.feed import CONTENT
from closegap.search.archive.shown import media_type
from closegap.search.row import Row

_LOOKED_AT = 20_000  # rows of a modality whose labels are counted
_BLOCK = 1024
_VALUES = 200  # of a label


def opaque(name: str, secret: str) -> str:
    """Something that is the same for the same name, and does not tell it."""
    return hashlib.blake2b(name.encode(), key=bytes.fromhex(secret), digest_size=8, person=b"group").hexdigest()


def archive_shape(archive: Archive) -> dict[str, Any]:
    """What there is to be asked: modalities with their rows, keys of filters, values of labels, what corrects."""
    rows, corrections = archive.rows(), archive.corrections
    keys, labels = dict[str, None](), {name: Counter[str]() for name in archive.about.labels}
    for name in archive.modalities:
        ids = archive.index.ids(name, limit=_LOOKED_AT) if rows[name] else []
        for start in range(0, len(ids), _BLOCK):
            for row in archive.index.read(name, ids[start : start + _BLOCK]).rows:
                keys |= dict.fromkeys(key for key in row.payload if key != CONTENT)
                for label, counts in labels.items():
                    if isinstance(value := row.payload.get(label), str | int | bool):
                        counts[str(value)] += 1
    return {
        "modalities": [
            {"name": name, "noun": of.noun, "visual": of.visual, "rows": rows[name]}
            for name, of in archive.about.modalities.items()
        ],
        "asks": ["text", "image", "case"] if archive.about.model else ["case"],
        "filters": [*keys, "id", "case"],
        "labels": {name: dict(counts.most_common(_VALUES)) for name, counts in labels.items()},
        "version": archive.stats().version,
        "calibrated": corrections.calibration is not None,
        "standardised": corrections.stage is not None,
    }


def answer_shape(corrected: Answer, raw: Answer, archive: Archive, secret: str) -> dict[str, Any]:
    """Both lists of one question."""
    lists = {"corrected": corrected, "raw": raw}
    return {
        "not_sure": corrected.unsure,
        "p_value": corrected.p_value,
        "query_modality": corrected.query_modality,
        "relevance": corrected.relevance,
        "version": corrected.version,
        "notes": list(corrected.notes),
        "counts": {name: dict(Counter(hit.modality for hit in one.hits)) for name, one in lists.items()},
        **{
            name: [_hit_shape(hit, rank, archive, secret) for rank, hit in enumerate(one.hits, start=1)]
            for name, one in lists.items()
        },
    }


def item_shape(archive: Archive, modality: str, row: Row, preview: bytes) -> dict[str, Any]:
    """An item with what is shown of it."""
    visual = archive.about.modalities[modality].visual
    return {
        "id": row.id,
        "modality": modality,
        "case": row.case,
        "payload": {key: value for key, value in row.payload.items() if key != CONTENT},
        "text": None if visual else preview.decode(errors="replace"),
        "thumbnail": is_picture(preview, visual),
    }


def is_picture(preview: bytes, visual: bool) -> bool:
    """Whether a preview may be sent as an image."""
    return media_type(preview, visual).startswith("image/")


def _hit_shape(hit: Hit, rank: int, archive: Archive, secret: str) -> dict[str, Any]:
    visual = archive.about.modalities[hit.modality].visual
    return {
        "id": hit.id,
        "modality": hit.modality,
        "case": hit.case,
        "group_key": opaque(hit.group, secret),
        "rank": rank,
        "cosine": hit.cosine,
        "score": hit.score,
        "probability": hit.probability,
        "answers": hit.answers,
        "payload": dict(hit.payload),
        "text": None if visual else hit.text,
        "thumbnail": visual and archive.about.thumbnails,
    }
