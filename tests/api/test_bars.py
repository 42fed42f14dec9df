"""What is seen of long work where there is no terminal."""

import pytest

from closegap.api.bars import Bars
from closegap.metrics.gap import GAP
from closegap.metrics.retrieval import mean_recall


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Bars("training", clock) as bars:
        bars.validation(0, {GAP.of("image|report"): 0.5, mean_recall(10): 0.25})
        for step in range(100):
            bars.step(step, 100, {"loss": 2.0, "my_term": 1.0, "lr": 0.1})
            clock.now += 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "training: 10/100, 1:30 left; loss 2.000 my_term 1.000; validation at step 0: gap 0.500 R@10 0.250",
        "training: 40/100, 1:00 left; loss 2.000 my_term 1.000; validation at step 0: gap 0.500 R@10 0.250",
        "training: 70/100, 0:30 left; loss 2.000 my_term 1.000; validation at step 0: gap 0.500 R@10 0.250",
    ]


def test_time_left_is_that_of_the_work_at_hand(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Bars("embedding", clock) as bars:
        bars.images(0, 10)
        clock.now += 9
        bars.images(10, 10)
        bars.features("cases", 500, 2000)  # what an earlier call left
        clock.now += 5
        bars.features("cases", 1000, 2000)
    assert capsys.readouterr().err == "features of cases: 1,000/2,000, 0:10 left\n"


def test_more_work_of_the_same_name_is_timed_anew(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Bars("building", clock) as bars:
        bars.work(0, 1000)
        clock.now += 9
        bars.work(1000, 1000)
        bars.work(0, 40)
        clock.now += 4
        bars.work(10, 40)
    assert capsys.readouterr().err == "building: 10/40, 0:12 left\n"


def test_short_work_leaves_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Bars("measuring", clock) as bars:
        for done in range(9):
            clock.now += 1
            bars.work(done + 1, 9)
    assert capsys.readouterr() == ("", "")
