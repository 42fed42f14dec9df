import numpy as np
import pytest
from tests.reference import mel as reference

from closegap.kinds.mel import log_mel, mel_filters


@pytest.mark.parametrize(("rate", "mels", "n", "low"), [(1000, 12, 130, 0.0), (800, 20, 61, 40.0), (1000, 6, 7, 20.0)])
def test_agrees_with_the_definition(rate: int, mels: int, n: int, low: float) -> None:
    samples = np.random.default_rng(0).standard_normal(n).astype(np.float32) * 0.1
    found = log_mel(samples, rate, mels, 0.025, 0.010, low)
    expected = reference.log_mel(samples, rate, mels, 0.025, 0.010, low)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_filters_agree_with_the_definition() -> None:
    found = mel_filters(16_000, 512, 64, 50.0)
    np.testing.assert_allclose(found, reference.filters(16_000, 512, 64, 50.0), atol=1e-12)
    assert found.any(1).all()


def test_silence_is_at_the_floor() -> None:
    np.testing.assert_allclose(log_mel(np.zeros(5000, np.float32), 16_000), -100, rtol=1e-6)


def test_a_sine_is_loudest_where_it_sounds() -> None:
    rate = 16_000
    for hertz in (200, 1000, 5000):
        sine = np.sin(2 * np.pi * hertz * np.arange(rate) / rate).astype(np.float32)
        band = int(log_mel(sine, rate)[:, 50].argmax())
        filters = mel_filters(rate, 512, 64)
        assert abs(int(filters[:, round(hertz * 512 / rate)].argmax()) - band) <= 1
        assert -9 < log_mel(sine, rate)[:, 50].max() < -3


def test_long_sounds_are_the_same_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(1).standard_normal(40_000).astype(np.float32)
    whole = log_mel(samples, 16_000)
    monkeypatch.setattr("closegap.kinds.mel._AT_ONCE", 512 * 3)
    np.testing.assert_allclose(log_mel(samples, 16_000), whole, atol=1e-4)
