"""Resolve every extra, for every Python that is supported at once, without installing anything.

python release/resolved.py
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
OLDEST = "3.11"


def main() -> None:
    """Say how many packages each takes, or which does not resolve."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-annotate", "--no-header", "--universal"]
    for extra in sorted(project["optional-dependencies"]):
        options = ["--python-version", OLDEST, "--extra", extra, str(ROOT / "pyproject.toml")]
        done = subprocess.run([*command, *options], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{extra} does not resolve for Python {OLDEST} and later:\n{done.stderr}")
        print(f"{extra}: {len(done.stdout.splitlines())} packages", flush=True)


if __name__ == "__main__":
    main()
