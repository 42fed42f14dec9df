"""A cache of their own for the tests of features."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
