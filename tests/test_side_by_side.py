"""Pieces of work on several cores."""

import time
from collections.abc import Iterator

import pytest
import torch

from closegap.side_by_side import side_by_side


@pytest.fixture(params=[1, 2, 5])
def cores(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_pieces_come_in_their_order_and_cores_are_shared_out(cores: int) -> None:
    seen = list(side_by_side(lambda piece: (piece, torch.get_num_threads()), range(7)))
    assert [piece for piece, _ in seen] == list(range(7))
    assert {threads for _, threads in seen} == {1}
    assert torch.get_num_threads() == cores
    assert list(side_by_side(lambda _: torch.get_num_threads(), range(1))) == [cores]
    assert list(side_by_side(lambda piece: piece, [])) == []


def test_the_first_failure_is_raised_and_the_rest_left(cores: int) -> None:
    begun = []

    def work(piece: int) -> int:
        begun.append(piece)
        if piece == 3:
            raise ValueError("three")
        time.sleep(0.001)  # or a quick core is through with all before the failure is told
        return piece

    found = side_by_side(work, range(1000))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(found)
    assert len(begun) < 1000
    assert torch.get_num_threads() == cores
