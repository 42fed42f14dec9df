"""The command line in this process, a cache of its own, and one run that tests only read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli import tiny
from tests.cli.tiny import Cli, Outcome

from closegap.api import bars
from closegap.cli import main


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("CLOSEGAP_CACHE", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def no_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a line says how far work is depends on how fast the machine is; `tests/api/test_bars.py` has a clock."""
    monkeypatch.setattr(bars, "_FIRST_LINE", float("inf"))


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs on the same data, two seeds of one arm, and one on other data."""
    folder = tmp_path_factory.mktemp("runs")
    for name, seed, data in (("a", 0, 0), ("b", 1, 0), ("elsewhere", 0, 1)):
        config = tiny.write(folder / f"{name}.yaml", tiny.config(tiny.phantoms(seed=data), arm=name))
        assert main(["train", "--config", str(config), "--seed", str(seed), "--out", str(folder / name)]) == 0
    return folder
