"""Resolve every extra, on every Python that is supported, without installing anything.

python release/resolved.py
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")


def main() -> None:
    """Say how many there are, or which does not resolve."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = sorted(project["optional-dependencies"])
    for python in PYTHONS:
        for extra in extras:
            command = ["pip", "compile", "--quiet", "--python-version", python, "--extra", extra]
            done = subprocess.run(
                [sys.executable, "-m", "uv", *command, str(ROOT / "pyproject.toml")], capture_output=True, text=True
            )
            if done.returncode:
                raise SystemExit(f"{extra} on Python {python} does not resolve:\n{done.stderr}")
    print(f"{len(extras)} extras resolve on Python {', '.join(PYTHONS)}")


if __name__ == "__main__":
    main()
