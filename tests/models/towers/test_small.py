import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from closegap.models import SmallImageEncoder, SmallTextEncoder

TEXTS = ["No effusion.", "A 12 mm nodule in the left lung; no effusion.", ""]


@pytest.fixture(scope="module")
def text() -> SmallTextEncoder:
    torch.manual_seed(0)
    return SmallTextEncoder(dim=16, layers=2, heads=2, max_length=12, buckets=512).eval()


def _features(encoder: SmallTextEncoder, texts: Sequence[str]) -> Tensor:
    features: Tensor = encoder(encoder.preparer()(texts))
    return features


def test_words_numbers_and_signs_are_told_apart(text: SmallTextEncoder) -> None:
    prepare = text.preparer()
    assert prepare(["T2-weighted"]).shape == (1, 4, 2)
    assert prepare(["12 mm", "12mm", "1 2 mm"])[:2].ne(0).all(-1).sum(1).tolist() == [2, 2]
    assert torch.equal(prepare(["LEFT lung"]), prepare(["left  Lung"]))
    assert prepare([]).shape == (0, 1, 2)
    assert prepare(["", ""]).shape == (2, 1, 2)


def test_padding_and_company_do_not_matter(text: SmallTextEncoder) -> None:
    together = _features(text, TEXTS)
    apart = torch.cat([_features(text, [item]) for item in TEXTS])
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


def test_training_and_evaluation_agree_without_dropout() -> None:
    encoder = SmallTextEncoder(dim=16, layers=2, heads=2, buckets=512, dropout=0.0)
    with torch.inference_mode():
        evaluated = _features(encoder.eval(), TEXTS)
    torch.testing.assert_close(_features(encoder.train(), TEXTS), evaluated, atol=1e-5, rtol=1e-5)


def test_an_empty_text_has_zero_features_and_finite_gradients(text: SmallTextEncoder) -> None:
    features = _features(text.train(), TEXTS)
    assert features[2].tolist() == [0.0] * 16
    text.zero_grad()
    features.square().sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None or p.grad.isfinite().all() for p in text.parameters())
    assert _features(text.eval(), [""]).tolist() == [[0.0] * 16]
    text.zero_grad()


def test_word_order_matters_and_length_is_bounded(text: SmallTextEncoder) -> None:
    first, second = _features(text, ["left lung right heart", "right lung left heart"])
    assert (first - second).norm() > 1e-3
    long = " ".join(f"word{chr(97 + n % 26)}" for n in range(40))
    assert text.preparer()([long]).shape == (1, 12, 2)
    torch.testing.assert_close(_features(text, [long]), _features(text, [long + " more"]))


def test_text_preparer_travels_and_names_what_it_depends_on(text: SmallTextEncoder) -> None:
    preparer = text.preparer()
    assert pickle.loads(pickle.dumps(preparer)) == preparer  # noqa: S301
    others = [SmallTextEncoder(max_length=13, buckets=512), SmallTextEncoder(max_length=12, buckets=513)]
    assert len({repr(preparer), *(repr(other.preparer()) for other in others)}) == 3


def test_images_give_features_of_the_grid(pictures: list[Path]) -> None:
    torch.manual_seed(0)
    encoder = SmallImageEncoder(size=32, widths=(8, 16), grid=2).eval()
    inputs = encoder.preparer()(pictures)
    assert (inputs.dtype, inputs.shape) == (torch.uint8, (3, 3, 32, 32))
    features = encoder(inputs)
    assert features.shape == (3, encoder.dim) == (3, 16 * 4)
    torch.testing.assert_close(
        features, torch.cat([encoder(inputs[i : i + 1]) for i in range(3)]), atol=1e-5, rtol=1e-5
    )
    features.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


def test_where_something_lies_matters() -> None:
    encoder = SmallImageEncoder(size=48, widths=(8, 16), grid=3).eval()
    images = torch.zeros(2, 3, 48, 48, dtype=torch.uint8)
    images[0, :, :16, :16] = images[1, :, -16:, -16:] = 255
    first, second = encoder(images)
    assert (first - second).norm() > 1


def test_the_preparer_of_images_names_their_size() -> None:
    assert repr(SmallImageEncoder(size=32).preparer()) != repr(SmallImageEncoder(size=64).preparer())
