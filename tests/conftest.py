"""Fixtures that every test may use."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the repository; tests that need it skip without it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("no shared/ folder beside the repository: nothing is checked on real data")
    return folder


@pytest.fixture(autouse=True)
def no_bug_of_ours(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that confesses a bug fails the test, whatever the test looks at."""
    state = tmp_path_factory.getbasetemp() / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    yield
    logs = [log.read_text(encoding="utf-8") for log in (state / "closegap").glob("*.log")]
    shutil.rmtree(state, ignore_errors=True)
    assert not logs, logs[0]


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    """The folder of frozen outputs of other people's code."""
    return Path(__file__).parent / "golden"


def pytest_configure(config: pytest.Config) -> None:
    """Set up warnings and hypothesis."""
    # Our warnings are errors; a filter in pyproject would import closegap before jaxtyping can hook in.
    config.addinivalue_line("filterwarnings", "error::closegap.errors.ClosegapWarning")
    # A busy machine is no defect, and a result depends on the code alone: the same examples each time.
    settings.register_profile("closegap", deadline=None, derandomize=True)
    settings.load_profile("closegap")
