import math
import pickle
from collections import Counter

import numpy as np
import pytest
import torch

from closegap.errors import UsageError
from closegap.models import LatentSemanticEncoder
from closegap.models.towers.latent_semantic import TermPreparer
from closegap.testing import check_encoder

TEXTS = [
    "mass in the left lung",
    "the left lung is clear, the right lung is not",
    "fracture of the left femur",
    "the femur is clear",
    "mass of the femur, mass of the lung",
]
BUCKETS = 1 << 12


def _weights(texts: list[str], train: list[str]) -> np.ndarray:
    """TF-IDF by the definition, over words instead of buckets."""
    words = [Counter(text.replace(",", "").split()) for text in texts]
    known = [Counter(text.replace(",", "").split()) for text in train]
    having = Counter(word for counts in known for word in counts)
    terms = sorted(word for word, n in having.items() if n >= 3)
    idf = {word: math.log((1 + len(train)) / (1 + having[word])) + 1 for word in terms}
    rows = np.array([[(1 + math.log(c[w])) * idf[w] if w in c else 0.0 for w in terms] for c in words])
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def test_features_span_what_a_dense_decomposition_of_tf_idf_spans() -> None:
    encoder = LatentSemanticEncoder(dim=4, buckets=BUCKETS)
    encoder.fit(TEXTS)
    held_out = ["left lung", "the femur is left", "nothing known"]
    found = encoder(encoder.preparer()([*TEXTS, *held_out])).double().numpy()
    train = _weights(TEXTS, TEXTS)
    directions = np.linalg.svd(train)[2][:4].T
    expected = np.vstack([train, _weights(held_out, TEXTS)]) @ directions
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)  # signs are free
    assert not found[-1].any()


def test_rare_words_weigh_nothing() -> None:
    encoder = LatentSemanticEncoder(dim=2, buckets=BUCKETS)
    encoder.fit([*TEXTS, "smith", "smith"])
    assert not encoder(encoder.preparer()(["smith"])).any()
    assert int((encoder.frequency > 0).sum()) == len(["the", "left", "lung", "femur"])


def test_fewer_texts_than_features_leave_the_rest_at_zero() -> None:
    encoder = LatentSemanticEncoder(dim=8, buckets=64)
    encoder.fit(["left lung", "left femur", "left mass"])
    assert not encoder.directions[:, 2:].any()
    encoder.fit([])
    assert not encoder(encoder.preparer()(["left"])).any()


def test_runs_of_words_are_terms_too() -> None:
    one, two = (TermPreparer(BUCKETS, n, "words")(["left lung left lung"]) for n in (1, 2))
    assert sorted(one[1][0].tolist()) == [2, 2]
    assert sorted(two[1][0].tolist()) == [1, 2, 2, 2]


def test_preparer_travels_and_pads() -> None:
    preparer = LatentSemanticEncoder(buckets=64).preparer()
    assert pickle.loads(pickle.dumps(preparer)) == preparer  # noqa: S301
    terms, times = preparer(["one two three", ""])
    assert terms.shape == times.shape == (2, 3)
    assert not times[1].any()
    assert preparer([])[0].shape == (0, 1)
    assert torch.equal(preparer(["one two three"])[0], terms[:1])


def test_codes_are_terms_as_they_are() -> None:
    sets = [("C1", "C2"), ("C2", "C 3,4"), ("C1", "C2"), ("C1",)]
    encoder = LatentSemanticEncoder(dim=2, buckets=BUCKETS, terms="codes")
    encoder.fit(sets)
    features = encoder(encoder.preparer()([*sets, ("C3",), ("3",)]))
    assert int((encoder.frequency > 0).sum()) == len(["C1", "C2"])
    torch.testing.assert_close(features[0], features[2])
    assert not features[4:].any()
    check_encoder(encoder, sets)
    with pytest.raises(UsageError, match="ngrams: 2 given, expected 1, since codes have no order"):
        LatentSemanticEncoder(ngrams=2, terms="codes")
