import math
import pickle
from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from closegap.errors import UsageError
from closegap.models import RecordEncoder

RECORDS: list[Mapping[str, float | str | None]] = [
    {"age": 40.0, "weight": 70.0, "sex": "F"},
    {"age": 60.0, "weight": None, "sex": "M"},
    {"age": 80.0, "sex": None},
]


def _encoder() -> RecordEncoder:
    torch.manual_seed(0)
    return RecordEncoder(numeric=["age", "weight"], categorical=["sex"], dim=8, hidden=16).eval()


def _features(encoder: RecordEncoder, records: Sequence[Mapping[str, float | str | None]]) -> Tensor:
    features: Tensor = encoder(encoder.preparer()(records))
    return features


def test_preparer_reads_columns_and_marks_blanks() -> None:
    numbers, rows = _encoder().preparer()([*RECORDS, {"age": "forty", "weight": True, "height": 3.0}])
    expected = [[40.0, 70.0], [60.0, math.nan], [80.0, math.nan], [math.nan, 1.0]]
    torch.testing.assert_close(numbers, torch.tensor(expected), equal_nan=True)
    assert rows.shape == (4, 1, 2)
    assert len({tuple(row.flatten().tolist()) for row in rows}) == 3  # F, M, and one blank twice
    assert torch.equal(rows[2], rows[3])


def test_fit_learns_mean_and_spread_of_what_is_known() -> None:
    encoder = _encoder()
    encoder.fit(iter(RECORDS))
    torch.testing.assert_close(encoder.mean, torch.tensor([60.0, 70.0]))
    torch.testing.assert_close(encoder.spread, torch.tensor([pstdev([40, 60, 80]), 1.0]))
    assert {"mean", "spread"} <= set(encoder.state_dict())


@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=20),
    blanks=st.integers(0, 3),
)
def test_fit_is_the_definition(values: list[float], blanks: int) -> None:
    encoder = RecordEncoder(numeric=["x"], dim=4, hidden=4)
    encoder.fit([{"x": value} for value in values] + [{"x": None}] * blanks)
    spread = pstdev(values)
    assert encoder.mean.item() == pytest.approx(fmean(values), rel=1e-6, abs=1e-6)
    assert encoder.spread.item() == pytest.approx(spread if spread > 0 else 1.0, rel=1e-5)


@given(value=st.floats(-1e6, 1e6, width=32), n=st.integers(1, 40))
def test_a_constant_column_keeps_its_scale(value: float, n: int) -> None:
    encoder = RecordEncoder(numeric=["x"], dim=4, hidden=4)
    encoder.fit([{"x": value}] * n)
    assert encoder.spread.item() == 1.0
    assert encoder.mean.item() == pytest.approx(value, rel=1e-7, abs=1e-30)


def test_without_records_nothing_is_learnt() -> None:
    encoder = _encoder()
    encoder.fit([])
    assert encoder.mean.tolist() == [0.0, 0.0]
    assert encoder.spread.tolist() == [1.0, 1.0]
    assert _features(encoder, []).shape == (0, 8)


def test_a_blank_is_the_mean_and_said_to_be_one() -> None:
    encoder = _encoder()
    encoder.fit(RECORDS)
    blank, mean = _features(encoder, [{"age": None, "weight": 70.0}, {"age": 60.0, "weight": 70.0}])
    assert not torch.allclose(blank, mean)  # the flag tells
    first = encoder.mlp[0]
    assert isinstance(first, torch.nn.Linear)
    with torch.no_grad():
        first.weight[:, 2:4] = 0  # deaf to flags
    blank, mean = _features(encoder, [{"age": None, "weight": 70.0}, {"age": 60.0, "weight": 70.0}])
    torch.testing.assert_close(blank, mean)


def test_a_record_of_blanks_has_finite_features_and_gradients() -> None:
    encoder = _encoder()
    features = _features(encoder, [{}])
    features.square().sum().backward()  # type: ignore[no-untyped-call]
    assert features.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


def test_an_outlier_is_bounded() -> None:
    encoder = _encoder()
    encoder.fit(RECORDS)
    far, farther = _features(encoder, [{"age": 1e9, "weight": 70.0}, {"age": 1e30, "weight": 70.0}])
    torch.testing.assert_close(far, farther)


def test_units_do_not_matter_once_fitted() -> None:
    kilograms = [{"age": 1.0, "weight": weight} for weight in (50.0, 70.0, 95.0)]
    grams = [{"age": 1.0, "weight": 1000 * record["weight"]} for record in kilograms]
    encoders = _encoder(), _encoder()
    for encoder, records in zip(encoders, (kilograms, grams), strict=True):
        encoder.fit(records)
    torch.testing.assert_close(_features(encoders[0], kilograms), _features(encoders[1], grams))


def test_numbers_or_categories_alone_suffice() -> None:
    assert _features(RecordEncoder(numeric=["age"], dim=4), RECORDS).shape == (3, 4)
    assert _features(RecordEncoder(categorical=["sex"], dim=4), RECORDS).shape == (3, 4)
    with pytest.raises(UsageError, match="needs columns: name some under numeric or categorical"):
        RecordEncoder()


def test_the_preparer_travels_and_names_what_it_depends_on() -> None:
    preparer = _encoder().preparer()
    assert pickle.loads(pickle.dumps(preparer)) == preparer  # noqa: S301
    others = [RecordEncoder(["age"]), RecordEncoder(["age", "weight"], ["sex"], buckets=9)]
    assert len({repr(preparer), *(repr(other.preparer()) for other in others)}) == 3
