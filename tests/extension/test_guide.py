"""What the guide says of these examples."""

import re
from pathlib import Path

import pytest

import closegap.testing

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"\]\((tests/extension/\w+\.py)\) \| (\d+) \| `(\w+)", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
)


def test_every_check_has_its_row() -> None:
    assert sorted(check for _, _, check in ROWS) == sorted(closegap.testing.__all__)


@pytest.mark.parametrize(("file", "lines", "check"), ROWS)
def test_an_example_has_as_many_lines_as_told_and_is_checked(file: str, lines: str, check: str) -> None:
    example = ROOT / file
    assert len(example.read_text(encoding="utf-8").splitlines()) == int(lines)
    assert f"{check}(" in example.with_name(f"test_{example.name}").read_text(encoding="utf-8")
