"""A model of an image, a text and a record, so small that it is exported in seconds, with a post-hoc map."""

from pathlib import Path

import pytest
import torch
from tests.models.conftest import bert  # noqa: F401
from torch.nn.functional import normalize

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.models import MLPHead, Model, RecordEncoder, SmallImageEncoder, TransformersTextEncoder
from closegap.posthoc import Whiten

MODALITIES = ("image", "report", "record")


def random_set(modalities: tuple[str, ...], width: int) -> EmbeddingSet:
    torch.manual_seed(1)
    rows = {name: normalize(torch.randn(40, width) + place, dim=1) for place, name in enumerate(modalities)}
    return EmbeddingSet(rows, [f"case {row}" for row in range(40)])


@pytest.fixture(scope="module")
def model(bert: Path) -> Model:  # noqa: F811
    torch.manual_seed(0)
    record = RecordEncoder(["age", "temperature"], ["sex"], dim=12, hidden=16)
    record.fit([{"age": 40.0, "temperature": 36.5}, {"age": 80.0, "temperature": 39.0}])
    towers = {
        "image": SmallImageEncoder(size=32, widths=[8, 8], grid=2),
        "report": TransformersTextEncoder(str(bert), pooling="mean", max_length=24),
        "record": record,
    }
    made = Model(towers, 8, lambda features, dim: MLPHead(features, dim, hidden=16))
    return made.with_posthoc(Whiten().fit(random_set(MODALITIES, 8))).eval()
