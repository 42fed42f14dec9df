from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.kinds.leads import NAMES, RATE, beats

from closegap.errors import UsageError
from closegap.kinds import Sampling, Waveform
from closegap.models import Encoder, SmallSignalEncoder, SmallSignalTransformerEncoder
from closegap.models.towers.signal_noise import SignalNoise
from closegap.models.towers.signal_preparer import SignalPreparer
from closegap.testing import check_encoder

_LENGTHS = (2.0, 0.9, 0.5, 4.0)
SIGNALS = [Waveform.of_values(beats(seconds, seed=n), RATE, NAMES, "mV") for n, seconds in enumerate(_LENGTHS)]
TOWERS: list[Callable[[float], Encoder]] = [
    lambda seconds: SmallSignalEncoder(NAMES, seconds=seconds, widths=(8, 16)),
    lambda seconds: SmallSignalTransformerEncoder(NAMES, seconds=seconds, patch=10, dim=16, heads=2, layers=1),
]


@pytest.mark.parametrize("tower", TOWERS)
def test_they_hold(tower: Callable[[float], Encoder]) -> None:
    torch.manual_seed(0)
    check_encoder(tower(2.53), SIGNALS)


@pytest.mark.parametrize("tower", TOWERS)
def test_padding_has_no_part_in_features(tower: Callable[[float], Encoder]) -> None:
    short, long = tower(4.1).eval(), tower(6.13).eval()
    state = short.state_dict()
    if (places := "states.places") in state:
        more = torch.randn(len(long.state_dict()[places]) - len(state[places]), state[places].shape[1])
        state[places] = torch.cat([state[places], more])
    long.load_state_dict(state)
    with torch.no_grad():
        features = [encoder(encoder.preparer()(SIGNALS)) for encoder in (short, long)]
    torch.testing.assert_close(features[0], features[1], atol=1e-5, rtol=1e-5)


def test_what_is_prepared() -> None:
    batch = SignalPreparer(("V1", "aVR", "II"), rate=50, seconds=1.0)(SIGNALS)
    assert batch.shape == (4, 3, 50)
    assert batch[:, 1].isnan().all()
    assert (~batch[:, 0].isnan()).sum(1).tolist() == [50, 45, 25, 50]
    whole = SIGNALS[3].traces(50, 1.0).values
    np.testing.assert_allclose(batch[3, 2], whole[1] - np.median(whole[1]), atol=1e-6)
    sampled = Waveform(SIGNALS[3].source, Sampling(leads=("II",), offset=1))
    assert (~SignalPreparer(NAMES)([sampled])[0].isnan()).any(1).tolist() == [False, True, False]


def test_noise_is_of_training_alone_and_of_its_seed() -> None:
    batch = SignalPreparer(NAMES, seconds=2.0)(SIGNALS)
    noise = SignalNoise()
    assert noise.eval()(batch) is batch
    noise.train()
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(noise(batch))
    torch.testing.assert_close(drawn[0], drawn[1], equal_nan=True)
    assert not torch.equal(drawn[0].nan_to_num(), drawn[2].nan_to_num())


def test_each_noise_does_what_it_says() -> None:
    torch.manual_seed(0)
    batch = torch.randn(64, 6, 100) * torch.arange(1, 7)[:, None]
    batch[:, :, 80:] = torch.nan
    batch[:, 5] = torch.nan
    sound = batch[:, :5, :80]
    noisy = SignalNoise(noise=0.1, shift=0, dropped=0).train()(batch)
    added = (noisy[:, :5, :80] - sound).std((0, 2))
    torch.testing.assert_close(added, 0.1 * sound.std((0, 2)), rtol=0.1, atol=0)
    assert torch.equal(noisy.isnan(), batch.isnan())
    moved = SignalNoise(noise=0, shift=0.5, dropped=0).train()(batch)[:, :5, :80]
    torch.testing.assert_close(moved.sort(2).values, sound.sort(2).values)
    places = {by for n in range(64) for by in range(-40, 41) if torch.equal(sound[n].roll(by, 1), moved[n])}
    assert len(places) > 10
    fewer = SignalNoise(noise=0, shift=0, dropped=0.4).train()(batch)
    gone = fewer[:, :5].isnan().all(2)
    assert 0.3 < gone.float().mean() < 0.5
    assert not gone.all(1).any()
    assert torch.equal(fewer[:, :5, :80][~gone], sound[~gone])
    alone = torch.randn(20, 1, 30)
    torch.testing.assert_close(SignalNoise(noise=0, shift=0, dropped=0.9).train()(alone), alone)


def test_arguments_are_bounded() -> None:
    for make, message in (
        (lambda: SmallSignalEncoder(seconds=0.1), "widths: 4 given for 10 moments, expected at least 32"),
        (lambda: SmallSignalEncoder(widths=()), "expected at least one"),
        (lambda: SmallSignalTransformerEncoder(dim=10, heads=4), "expected a multiple of its 4 heads"),
        (lambda: SmallSignalEncoder(rate=-1), "SmallSignalEncoder.rate: -1 given"),
    ):
        with pytest.raises(UsageError, match=message):
            make()
