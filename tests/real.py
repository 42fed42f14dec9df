"""Real data, which no test needs: $CLOSEGAP_REAL_DATA, or the folder shared/data beside the repository."""

import os
from pathlib import Path

import pytest

REAL = Path(os.environ.get("CLOSEGAP_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))


def needs_real(name: str) -> pytest.MarkDecorator:
    """Skips a test, and says so, where a folder of real data is not there."""
    return pytest.mark.skipif(not (REAL / name).is_dir(), reason=f"needs {name}/ in $CLOSEGAP_REAL_DATA")
