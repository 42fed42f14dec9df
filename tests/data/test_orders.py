"""In which order cases are drawn."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from closegap.data.loader import GlobalBatches, Views, combinations
from closegap.data.orders import balanced
from closegap.errors import UsageError
from closegap.runs.training import Training

OF = torch.tensor([0] * 900 + [1] * 80 + [2] * 20)


def drawn(balance: float, epochs: int = 1) -> list[Counter[int]]:
    order = balanced(OF, balance, seed=3)
    return [Counter(OF[order(epoch)].tolist()) for epoch in range(epochs)]


def test_shares_go_from_the_cases_own_to_equal_ones() -> None:
    assert drawn(0.0) == [{0: 900, 1: 80, 2: 20}]
    assert sorted(drawn(1.0)[0].values()) == [333, 333, 334]
    roots = [count**0.5 for count in (900, 80, 20)]
    for number, count in drawn(0.5)[0].items():
        assert count == pytest.approx(1000 * roots[number] / sum(roots), abs=1)


@given(balance=st.floats(0, 1), sizes=st.lists(st.integers(1, 60), min_size=1, max_size=6), seed=st.integers(0, 50))
def test_cases_go_by_turns_and_an_epoch_has_as_many_draws_as_cases(balance: float, sizes: list[int], seed: int) -> None:
    of = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    order = balanced(of, balance, seed)
    times = torch.zeros(len(of), dtype=torch.long)
    for epoch in range(4):
        cases = order(epoch)
        assert len(cases) == len(of)
        assert torch.equal(cases, order(epoch))
        times += torch.bincount(cases, minlength=len(of))
        for number in range(len(sizes)):
            of_number = times[of == number]
            assert int(of_number.max() - of_number.min()) <= 1
            assert (of[cases] == number).any()


def test_every_batch_has_its_share() -> None:
    order = balanced(OF, 0.5, seed=0)
    expected = {number: count / 10 for number, count in Counter(OF[order(0)].tolist()).items()}
    for batch in GlobalBatches(len(OF), 100, 30, order):
        found = Counter(OF[[case for _, case in batch]].tolist())
        for number, count in expected.items():
            assert abs(found[number] - count) <= 3


def test_combinations_are_what_cases_have() -> None:
    def of(*counts: int) -> Views:
        return Views([], torch.tensor([0, *counts]).cumsum(0))

    assert combinations({"image": of(1, 0, 2, 1), "text": of(1, 1, 1, 0)}).tolist() == [3, 2, 3, 1]


def test_balance_and_windows_are_not_had_together() -> None:
    with pytest.raises(UsageError, match=r"train\.balance: 0\.5 and train\.shuffle_window: 100 given"):
        Training(balance=0.5, shuffle_window=100)
