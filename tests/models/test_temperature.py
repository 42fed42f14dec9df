import math

import pytest
import torch

from closegap.errors import UsageError
from closegap.models import FixedTemperature, LearnableTemperature, ScheduledTemperature
from closegap.models.temperature import Temperature


def test_learnable_starts_where_it_is_told() -> None:
    assert LearnableTemperature()(0.0).item() == pytest.approx(0.07)
    assert LearnableTemperature(start=0.5)(1.0).item() == pytest.approx(0.5)


def test_learnable_stops_at_its_bound_and_comes_back() -> None:
    temperature = LearnableTemperature(start=0.011)
    optimizer = torch.optim.SGD(temperature.parameters(), lr=1000.0)
    for direction, expected in ((1, 0.01), (1, 0.01), (-1, None)):
        optimizer.zero_grad()
        tau = temperature(0.5)
        (direction * tau).backward()
        assert temperature.log_scale.grad is not None
        assert temperature.log_scale.grad.abs() > 1e-3
        optimizer.step()
        found = temperature(0.5).item()
        assert found == pytest.approx(expected) if expected else found > 0.02


def test_learnable_follows_its_gradient() -> None:
    temperature = LearnableTemperature(start=0.2)
    tau = temperature()
    tau.backward()
    assert temperature.log_scale.grad is not None
    assert temperature.log_scale.grad.item() == pytest.approx(-0.2)  # d exp(-s) / ds
    assert temperature.log_scale.ndim == 0  # never decayed


def test_fixed_has_nothing_to_learn_and_is_saved() -> None:
    temperature = FixedTemperature(0.3)
    assert not list(temperature.parameters())
    assert temperature(0.0).item() == temperature(1.0).item() == pytest.approx(0.3)
    other = FixedTemperature(0.1)
    other.load_state_dict(temperature.state_dict())
    assert other().item() == pytest.approx(0.3)


def test_scheduled_is_linear_between_its_points() -> None:
    temperature = ScheduledTemperature([(0.2, 0.1), (0.6, 0.5)])
    found = [temperature(progress).item() for progress in (0.0, 0.2, 0.3, 0.6, 1.0)]
    assert found == pytest.approx([0.1, 0.1, 0.2, 0.5, 0.5])
    assert temperature(0.3).dtype == torch.float32
    assert not list(temperature.parameters())
    assert not temperature.state_dict()


@pytest.mark.parametrize("tau", [0.0, -0.1, math.nan])
def test_a_temperature_is_above_zero(tau: float) -> None:
    def build(make: type[Temperature], given: object) -> None:
        with pytest.raises(
            UsageError,
            match=r"Temperature\.(start|tau|points, item 2, item 2): .* given, expected a number from 1e-06 to",
        ):
            make(given)

    build(LearnableTemperature, tau)
    build(FixedTemperature, tau)
    build(ScheduledTemperature, [(0.0, 0.1), (1.0, tau)])
