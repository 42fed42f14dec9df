import pickle
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from closegap.models import CodeSetEncoder

CODES = st.lists(st.sampled_from([f"C{number:07d}" for number in range(30)]), max_size=6)


@pytest.fixture(scope="module")
def encoder() -> CodeSetEncoder:
    torch.manual_seed(0)
    return CodeSetEncoder(dim=8, buckets=500).eval()


def _features(encoder: CodeSetEncoder, sets: Sequence[Sequence[str]]) -> Tensor:
    features: Tensor = encoder(encoder.preparer()(sets))
    return features


@given(codes=CODES, seed=st.randoms())
def test_order_repetition_and_company_do_not_matter(encoder: CodeSetEncoder, codes: list[str], seed: object) -> None:
    shuffled = codes + codes[:2]
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    alone = _features(encoder, [codes])
    other = _features(encoder, [["C9999999"] * 3, tuple(shuffled), [f"X{number}" for number in range(9)]])[1:2]
    torch.testing.assert_close(other, alone, atol=1e-6, rtol=1e-6)


def test_is_the_sum_over_the_root_of_the_number(encoder: CodeSetEncoder) -> None:
    bags = encoder.preparer()([["C1", "C2", "C3"]])
    expected = sum(encoder.table.weight[row].double() for row in bags[0]) / 6**0.5
    torch.testing.assert_close(_features(encoder, [["C1", "C2", "C3"]])[0].double(), expected, atol=1e-6, rtol=1e-6)


def test_an_empty_set_has_zero_features_and_no_gradient(encoder: CodeSetEncoder) -> None:
    assert _features(encoder, [[], ["C1"]])[0].tolist() == [0.0] * 8
    assert _features(encoder, [[]]).shape == (1, 8)
    assert _features(encoder, []).shape == (0, 8)
    encoder.zero_grad()
    _features(encoder, [[]]).sum().backward()  # type: ignore[no-untyped-call]
    assert encoder.table.weight.grad is not None
    assert not encoder.table.weight.grad.any()


def test_different_sets_differ(encoder: CodeSetEncoder) -> None:
    first, second, both = _features(encoder, [["C1"], ["C2"], ["C1", "C2"]])
    assert (first - second).norm() > 0.5
    assert (both - first).norm() > 0.1


def test_preparer_travels_and_names_what_it_depends_on(encoder: CodeSetEncoder) -> None:
    preparer = encoder.preparer()
    assert pickle.loads(pickle.dumps(preparer)) == preparer  # noqa: S301
    assert repr(preparer) != repr(CodeSetEncoder(buckets=501).preparer())


def test_drops_features_in_training_alone() -> None:
    encoder = CodeSetEncoder(dim=64, dropout=0.5)
    assert (_features(encoder.train(), [["C1"]]) == 0).any()
    assert not (_features(encoder.eval(), [["C1"]]) == 0).any()
