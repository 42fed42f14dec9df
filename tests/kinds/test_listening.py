import numpy as np
import pytest

from closegap.errors import UsageError
from closegap.kinds.listening import Listening, levelled, trimmed


def naive_trim(samples: np.ndarray, rate: int, below: float) -> np.ndarray:
    frame, hop = round(0.025 * rate), round(0.010 * rate)
    energies = [
        np.mean([float(x) ** 2 for channel in samples for x in channel[first : first + frame]])
        for first in range(0, samples.shape[1], hop)
    ]
    loud = [number for number, e in enumerate(energies) if e >= max(energies) / 10 ** (below / 10)]
    return samples[:, loud[0] * hop : loud[-1] * hop + frame]


@pytest.mark.parametrize("below", [10.0, 40.0, 100.0])
@pytest.mark.parametrize("channels", [1, 2])
def test_trimming_agrees_with_its_definition(below: float, channels: int) -> None:
    rate, random = 1000, np.random.default_rng(0)
    loudness = np.exp(-(((np.arange(997) - 400) / 90) ** 2))
    samples = (random.standard_normal((channels, 997)) * loudness).astype(np.float32)
    found = trimmed(samples, rate, below)
    np.testing.assert_array_equal(found, naive_trim(samples, rate, below))
    assert 50 < found.shape[1] < (300 if below < 40 else 900)


def test_a_tone_between_silences_is_what_is_left() -> None:
    rate = 8000
    samples = np.zeros((1, 3 * rate), np.float32)
    samples[0, rate : 2 * rate] = np.sin(np.arange(rate))
    assert abs(trimmed(samples, rate, 40).shape[1] - rate) <= 0.05 * rate


def test_levels() -> None:
    samples = np.array([[0.1, -0.4], [0.2, 0.0]], np.float32)
    assert levelled(samples, "recorded") is samples
    assert np.abs(levelled(samples, "peak")).max() == 1
    rms = levelled(samples, "rms")
    assert np.sqrt((rms.astype(float) ** 2).mean()) == pytest.approx(0.1, rel=1e-6)
    np.testing.assert_allclose(rms / rms[0, 0], samples / samples[0, 0], rtol=1e-6)
    assert not levelled(np.zeros((1, 4), np.float32), "peak").any()


@pytest.mark.parametrize(
    "setting", [{"offset": -1}, {"duration": 0}, {"duration": 4000}, {"trim": 0}, {"level": "loud"}, {"channels": 2}]
)
def test_settings_are_bounded(setting: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=rf"Listening.{next(iter(setting))}"):
        Listening(**setting)  # type: ignore[arg-type]
