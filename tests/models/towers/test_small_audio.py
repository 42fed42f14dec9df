from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.kinds.sounds import RATE, hum
from tests.reference import mel as reference

from closegap.errors import UsageError
from closegap.kinds import Recording
from closegap.models import Encoder, LogMelStatistics, SmallAudioEncoder, SmallAudioTransformerEncoder
from closegap.models.towers.log_mel import LogMelPreparer
from closegap.models.towers.spectrogram_noise import SpectrogramNoise
from closegap.testing import check_encoder

SOUNDS = [Recording.of_samples(hum(seconds, seed=n), RATE) for n, seconds in enumerate((1.0, 0.4, 0.02, 2.5))]
TOWERS: list[Callable[[float], Encoder]] = [
    lambda seconds: SmallAudioEncoder(seconds=seconds, mels=32, widths=(8, 16)),
    lambda seconds: SmallAudioTransformerEncoder(seconds=seconds, mels=16, dim=16, heads=2, layers=1),
    lambda seconds: LogMelStatistics(seconds=seconds, mels=24, cepstrum=6),
]


@pytest.mark.parametrize("tower", TOWERS)
def test_they_hold(tower: Callable[[float], Encoder]) -> None:
    torch.manual_seed(0)
    check_encoder(tower(1.53), SOUNDS)


@pytest.mark.parametrize("tower", TOWERS)
def test_padding_has_no_part_in_features(tower: Callable[[float], Encoder]) -> None:
    short, long = tower(2.6).eval(), tower(4.13).eval()
    state = short.state_dict()
    if (places := "states.places") in state:
        more = torch.randn(len(long.state_dict()[places]) - len(state[places]), state[places].shape[1])
        state[places] = torch.cat([state[places], more])
    long.load_state_dict(state)
    with torch.no_grad():
        features = [encoder(encoder.preparer()(SOUNDS)) for encoder in (short, long)]
    torch.testing.assert_close(features[0], features[1], atol=1e-5, rtol=1e-5)


def test_statistics_agree_with_their_definition() -> None:
    encoder = LogMelStatistics(seconds=1.0, mels=12, cepstrum=5)
    found = encoder(encoder.preparer()(SOUNDS)).double().numpy()
    for row, sound in zip(found, SOUNDS, strict=True):
        decibels = LogMelPreparer(seconds=1.0, mels=12).one(sound)[:, :100].astype(float)
        np.testing.assert_allclose(row, reference.statistics(decibels, 5), atol=1e-4)


def test_statistics_tell_sounds_apart_without_training() -> None:
    encoder = LogMelStatistics(seconds=1.0)
    low, high = ([Recording.of_samples(hum(1.0, seed=s), RATE) for s in (start, start + 1)] for start in (0, 8))
    features = encoder(encoder.preparer()([*low, *high]))
    distances = torch.cdist(features, features)
    assert distances[0, 1] < distances[0, 2]
    assert distances[2, 3] < distances[1, 3]
    assert encoder.untrained


def test_noise_is_of_training_alone_and_of_its_seed() -> None:
    decibels = LogMelPreparer(seconds=2.0, mels=32)(SOUNDS)
    noise = SpectrogramNoise()
    assert noise.eval()(decibels) is decibels
    noise.train()
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(noise(decibels))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    for found in drawn:
        assert torch.equal(found == -torch.inf, decibels == -torch.inf)


def test_each_noise_does_what_it_says() -> None:
    torch.manual_seed(0)
    decibels = torch.randn(64, 20, 50) - 30
    decibels[:, :, 40:] = -torch.inf
    sound = decibels[:, :, :40]
    louder = SpectrogramNoise(gain=6, shift=0, bands=0, moments=0).train()(decibels)[:, :, :40] - sound
    assert louder.std((1, 2)).max() < 1e-5
    assert louder.abs().max() <= 6
    assert louder.mean((1, 2)).std() > 2
    moved = SpectrogramNoise(gain=0, shift=0.5, bands=0, moments=0).train()(decibels)[:, :, :40]
    places = [int((sound[n].roll(by, 1) == moved[n]).all()) * by for n in range(64) for by in range(-20, 21)]
    assert torch.equal(moved.sort(2).values, sound.sort(2).values)
    assert len(set(places)) > 10
    masked = SpectrogramNoise(gain=0, shift=0, bands=0.15, moments=0.15).train()(decibels)[:, :, :40]
    changed = masked != sound
    rows, columns = changed.all(2).sum(1), changed.all(1).sum(1)
    assert 0 < rows.max() <= 2 * 3
    assert 0 < columns.max() <= 2 * 6
    assert (changed == (changed.all(2, keepdim=True) | changed.all(1, keepdim=True))).all()
    means = sound.mean((1, 2))
    for n in range(64):
        assert torch.allclose(masked[n][changed[n]], means[n], atol=1e-4)


def test_what_is_prepared(tmp_path: Path) -> None:
    preparer = LogMelPreparer(seconds=1.0, mels=16)
    batch = preparer(SOUNDS)
    assert batch.shape == (4, 16, 100)
    assert (batch[:, 0] > -torch.inf).sum(1).tolist() == [99, 39, 1, 99]
    assert "seconds=1.0, mels=16" in repr(preparer)


def test_arguments_are_bounded() -> None:
    for make, message in (
        (lambda: SmallAudioEncoder(mels=8), "widths: 4 given for 8 bands and 500 moments, expected at least 32"),
        (lambda: SmallAudioEncoder(widths=()), "expected at least one"),
        (lambda: SmallAudioTransformerEncoder(dim=10, heads=4), "expected a multiple of its 4 heads"),
        (lambda: LogMelStatistics(mels=10, cepstrum=10), "expected fewer than its 10 bands"),
        (lambda: LogMelPreparer(rate=100, low=50.0), "expected less than half of the rate"),
        (lambda: SmallAudioEncoder(rate=7), "SmallAudioEncoder.rate: 7 given"),
    ):
        with pytest.raises(UsageError, match=message):
            make()
