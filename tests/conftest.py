"""Fixtures that every test may use."""

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
