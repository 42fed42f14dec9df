"""Install the wheel into an empty environment, far from any checkout, and do what the README says.

python release/alone.py DIST ENVIRONMENT
"""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

EXTRAS = "train,image,text,plots,search"
ARRAYS = """
import numpy as np
draw = np.random.default_rng(0).normal
common = draw(size=(300, 32)) @ draw(size=(32, 64))
for name in ("image", "text"):
    rows = common + draw(size=(300, 32)) @ draw(size=(32, 64)) + 5 * draw(size=(300, 64)) + 8 * draw(size=64)
    np.save(f"{name}.npy", rows[:100].astype("f4"))
    np.save(f"{name}-train.npy", rows[100:].astype("f4"))
"""
AUDIT = "audit image.npy text.npy --train image-train.npy text-train.npy --out audit"
DEMO = (
    "demo --out demo --steps 2",
    "evaluate demo/clip-atp-cu-seed0 --split test --out test.json",
    "embed demo/clip-atp-cu-seed0 --split test --out test.safetensors",
    "audit test.safetensors --out audit-of-a-set",
    "compare demo --out comparison",
    "index build demo/clip-atp-cu-seed0 --split test --thumbnails --out archive",
    'search archive --text "pleural effusion" --json',
    "index stats archive",
)


def main() -> None:
    """Leave the environment, for the list of what is in it; anything that fails ends this."""
    dist, environment = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    (wheel,) = dist.glob("*.whl")
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)], check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", str(environment / "bin" / "python")]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*install, str(wheel)], check=True)
        _python(environment, folder, "-W", "error", "-c", "import closegap; print(closegap.__version__)")
        _python(environment, folder, "-c", ARRAYS)
        _closegap(environment, folder, AUDIT)
        subprocess.run([*install, f"{wheel}[{EXTRAS}]"], check=True)
        for command in DEMO:
            _closegap(environment, folder, command)
    print(f"{wheel.name}: alone in an empty environment, {len(DEMO) + 1} commands work")


def _closegap(environment: Path, folder: str, command: str) -> None:
    print(f"closegap {command}", flush=True)
    _python(environment, folder, "-m", "closegap", *shlex.split(command))


def _python(environment: Path, folder: str, *arguments: str) -> None:
    here = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    here["CLOSEGAP_CACHE"] = str(Path(folder) / "cache")
    done = subprocess.run(
        [str(environment / "bin" / "python"), *arguments], cwd=folder, env=here, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)[:200]}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
