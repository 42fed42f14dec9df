from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from closegap.models import (
    CodeSetEncoder,
    ConcatEncoder,
    Encoder,
    LatentSemanticEncoder,
    RecordEncoder,
    SmallImageEncoder,
    SmallTextEncoder,
    TimmImageEncoder,
    TransformersTextEncoder,
)
from closegap.testing import check_encoder

TEXTS = ["left lung mass", "normal", "no effusion in the chest", "a nodule of the right lung, and a small effusion"]
SETS = [("C1",), ("C2", "C3"), ("C1", "C3", "C9"), ()]
RECORDS: Sequence[Mapping[str, float | str | None]] = [
    {"age": 40.0, "sex": "f"},
    {"age": None, "sex": "m"},
    {"age": 61.5},
]


@pytest.mark.parametrize("frozen", [False, True])
def test_small_encoders_hold(frozen: bool, pictures: list[Path]) -> None:
    torch.manual_seed(0)
    record = RecordEncoder(["age"], ["sex"], dim=6, hidden=8, buckets=16)
    record.fit(RECORDS)
    found: Mapping[Encoder, Sequence[Any]] = {
        record: RECORDS,
        CodeSetEncoder(dim=6, buckets=16): SETS,
        SmallTextEncoder(dim=8, layers=1, heads=2, max_length=7, buckets=16): TEXTS,
        SmallImageEncoder(size=32, widths=(8, 16), grid=2): pictures,
    }
    for encoder, items in found.items():
        check_encoder(encoder.requires_grad_(not frozen), items)


@pytest.mark.parametrize("frozen", [False, True])
def test_towers_side_by_side_hold(frozen: bool) -> None:
    torch.manual_seed(0)
    words = LatentSemanticEncoder(dim=3, buckets=64)
    words.fit(TEXTS * 3)
    check_encoder(words, TEXTS)
    small = SmallTextEncoder(dim=8, layers=1, heads=2, max_length=7, buckets=16)
    check_encoder(ConcatEncoder([small, words]).requires_grad_(not frozen), TEXTS)


@pytest.mark.parametrize("blocks", [0, 1])
def test_towers_of_libraries_hold(blocks: int, bert: Path, pictures: list[Path]) -> None:
    check_encoder(TimmImageEncoder("test_vit", "random", trained_blocks=blocks, size=48), pictures)
    for pooling in ("cls", "mean"):
        check_encoder(TransformersTextEncoder(str(bert), pooling, 9, trained_blocks=blocks), TEXTS)
