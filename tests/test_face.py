"""What `import closegap` offers, and what it costs."""

import subprocess
import sys

import pytest

import closegap


def test_every_name_that_is_listed_is_there() -> None:
    assert {"Model", "load", "EmbeddingSet", "audit", "train", "study", "embed", "evaluate", "compare"} <= {
        *dir(closegap)
    }
    assert all(getattr(closegap, name) is not None for name in closegap.__all__)
    assert closegap.losses.GapClosing.__name__ == "GapClosing"


def test_functions_stay_functions_when_their_modules_are_imported() -> None:
    for name in ("audit", "compare", "embed", "evaluate", "load", "study", "train"):
        assert callable(getattr(closegap, name)), name


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match="module 'closegap' has no attribute 'adit'"):
        closegap.adit  # noqa: B018


def test_importing_it_imports_nothing_heavy() -> None:
    script = "import closegap, sys; dir(closegap); print({'torch', 'numpy', 'rich'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
