import math

import pytest
import torch

from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.embeddings.fused import fused_name, with_fused
from closegap.errors import DataError


def test_the_mean_of_unit_rows_where_all_are_there() -> None:
    image = torch.tensor([[1.0, 0.0], [0.6, 0.8], [1.0, 0.0]])
    text = torch.tensor([[0.0, 1.0], [math.nan, math.nan], [1.0, 0.0]])
    given = EmbeddingSet({"image": image, "text": text}, list("abc"), {"text": torch.tensor([True, False, True])})
    found = with_fused(given, ["image", "text"])
    assert found.modalities == ("image", "text", "image+text") == (*given.modalities, fused_name(["image", "text"]))
    assert found.mask("image+text").tolist() == [True, False, True]
    assert found.embeddings["image+text"].dtype == torch.float32
    half = 0.5**0.5
    assert torch.allclose(found.embeddings["image+text"][[0, 2]], torch.tensor([[half, half], [1.0, 0.0]]))
    assert bool(found.embeddings["image+text"].isfinite().all())
    assert found.embeddings["image"] is image


def test_opposite_rows_have_no_mean() -> None:
    one = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(DataError, match=r"a\+b of row 1 \(id 'y'\): its modalities are opposite"):
        with_fused(EmbeddingSet({"a": one, "b": one * torch.tensor([[1.0], [-1.0]])}, ["x", "y"]), ["a", "b"])
