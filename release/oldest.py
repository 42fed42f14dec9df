"""Install the oldest versions that pyproject.toml allows, and run the tests of what everything stands on with them.

On the oldest Python alone: versions of that time have no wheels for later ones.

python release/oldest.py ENVIRONMENT
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = "train,image,text,plots,search"
TOOLS = ("beartype", "hypothesis", "jsonschema", "pandas", "psutil", "pytest")
TESTS = (
    *("core", "face", "versions", "files", "formulas"),
    *("losses", "metrics", "posthoc", "scores", "embeddings"),
)


def main() -> None:
    """End as the tests end."""
    environment = Path(sys.argv[1]).resolve()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest, here = project["requires-python"].removeprefix(">=").partition(",")[0], "{}.{}".format(*sys.version_info)
    if here != oldest:
        print(f"Python {here}: the oldest dependencies are left out; `make release-check` on {oldest} tests them")
        return
    tools = [line for line in project["optional-dependencies"]["dev"] if line.startswith(TOOLS)]
    python = environment / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)], check=True)
    install = [*uv, "pip", "install", "--quiet", "--resolution", "lowest-direct", "--python", str(python)]
    subprocess.run([*install, f"{ROOT}[{EXTRAS},pandas]", *tools], check=True)
    tests = [path for name in TESTS for path in (f"tests/test_{name}.py", f"tests/{name}") if (ROOT / path).exists()]
    command = [str(python), "-m", "pytest", "--ignore=tests/metrics/captions", *tests]  # they ask for Java
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
