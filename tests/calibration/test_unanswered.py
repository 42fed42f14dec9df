"""A question's p-value is what its definition says, and what it promises holds of draws."""

from math import log2
from pathlib import Path

import numpy as np
import pytest
import torch

from closegap.calibration import Unanswered
from closegap.calibration.unanswered import samples
from closegap.errors import DataError

ROWS = {"image": 4096, "report": 1000}


def drawn(questions: int, seed: int = 0) -> Unanswered:
    """Of questions whose highest cosines fall by a like amount from sample to sample, some of them equal."""
    draw = torch.Generator().manual_seed(seed)
    best = {}
    for name, rows in ROWS.items():
        of = torch.randn(questions, 1, generator=draw, dtype=torch.float64)
        best[f"text|{name}"] = ((of - torch.arange(samples(rows))) / 10 * 50).round() / 50
    return Unanswered(best, ROWS)


def naive(unanswered: Unanswered, best: dict[str, float], candidates: dict[str, int]) -> float:
    """The definition, one comparison after the other."""
    total: list[int] = []
    for name, found in best.items():
        held = unanswered.best[f"text|{name}"]
        sizes = [unanswered.targets[name] / 2**level for level in range(held.shape[1])]
        nearest = min(range(len(sizes)), key=lambda level: abs(log2(sizes[level] / candidates[name])))
        values = [*held[:, nearest].tolist(), found]
        ranks = [sum(other <= value for other in values) for value in values]
        total = [a + b for a, b in zip(total, ranks, strict=True)] if total else ranks
    return (1 + sum(of <= total[-1] for of in total[:-1])) / len(total)


@pytest.mark.parametrize("names", [["image"], ["report"], ["image", "report"]])
@pytest.mark.parametrize("share", [2, 1, 0.4, 0.1, 0.001])
def test_a_p_value_is_that_of_the_definition(names: list[str], share: float) -> None:
    unanswered = drawn(60)
    candidates = {name: max(1, round(share * rows)) for name, rows in ROWS.items()}
    for found in np.linspace(-0.5, 0.3, 23):
        best = {name: float(found) + 0.02 * (name == "report") for name in names}
        assert unanswered.p_value(best, "text", candidates) == naive(unanswered, best, candidates)


def test_questions_of_the_field_are_called_unsure_as_seldom_as_promised() -> None:
    trials, alpha, told = 600, 0.1, 0
    for seed in range(trials):
        unanswered = drawn(80, seed)
        held = {key: of[1:] for key, of in unanswered.best.items()}
        best = {name: float(unanswered.best[f"text|{name}"][0, 0]) for name in ROWS}
        value = Unanswered(held, ROWS).p_value(best, "text", ROWS)
        assert value is not None
        told += value <= alpha
    assert told / trials <= alpha + 3 * (alpha * (1 - alpha) / trials) ** 0.5
    assert told / trials > alpha / 2


def test_where_nothing_was_asked_nothing_is_said() -> None:
    unanswered = drawn(30)
    assert unanswered.p_value({"record": 0.9}, "text", {"record": 10}) is None
    assert unanswered.p_value({"image": 0.9}, "record", ROWS) is None
    assert unanswered.p_value({"image": 0.9}, "text", {"image": 0}) is None
    both = unanswered.p_value({"image": 0.0, "record": 0.9}, "text", ROWS | {"record": 10})
    assert both == unanswered.p_value({"image": 0.0}, "text", ROWS)


def test_it_is_kept_in_a_file(tmp_path: Path) -> None:
    unanswered, path = drawn(30), tmp_path / "unanswered.safetensors"
    unanswered.save(path)
    found = Unanswered.load(path)
    assert found.targets == unanswered.targets
    assert found.best.keys() == unanswered.best.keys()
    assert all(torch.equal(found.best[key], held) for key, held in unanswered.best.items())
    Unanswered({"text|image": torch.full((30, 2), torch.nan).double()}, ROWS).save(path)
    with pytest.raises(DataError, match="fit the corrections again"):
        Unanswered.load(path)
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(DataError, match="fit the corrections again"):
        Unanswered.load(path)
