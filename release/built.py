"""Build the wheel and the source archive twice, compare them byte for byte, and look at what is inside.

python release/built.py DIST
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
_NEVER = ("/tests/", "/acceptance/", "/benchmarks/", "/docs/images/", "__pycache__", ".npz", ".safetensors")
_WHEEL = ("closegap/py.typed", "closegap/configs/demo.yaml", "closegap/report/report.schema.json", "licenses/LICENSE")
_SOURCE = ("LICENSE", "README.md", "pyproject.toml", "CHANGELOG.md", "SECURITY.md", "CITATION.cff", "configs/demo.yaml")
_LARGEST = 3 * 2**20


def main() -> None:
    """Leave both files in DIST, or say what is wrong with them."""
    dist = Path(sys.argv[1])
    dist.mkdir(parents=True, exist_ok=True)
    for file in dist.iterdir():
        file.unlink()
    _build(dist)
    with tempfile.TemporaryDirectory() as again:
        _build(Path(again))
        for file in sorted(dist.iterdir()):
            if file.read_bytes() != (Path(again) / file.name).read_bytes():
                raise SystemExit(f"{file.name}: the second build differs from the first")
    (wheel,), (source,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened, tarfile.open(source) as archive:
        _expect(wheel, opened.namelist(), _WHEEL)
        _expect(source, archive.getnames(), _SOURCE)
    print(f"{wheel.name} and {source.name}: built twice to the same bytes, contents as they should be")


def _build(folder: Path) -> None:
    commit = ["git", "log", "-1", "--format=%ct"]
    stamp = subprocess.run(commit, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, env={**os.environ, "SOURCE_DATE_EPOCH": stamp}, stdout=subprocess.DEVNULL, check=True)


def _expect(file: Path, names: Iterable[str], wanted: Iterable[str]) -> None:
    held = [f"/{name}" for name in names]
    if unwanted := [name for name in held if any(part in name for part in _NEVER)]:
        raise SystemExit(f"{file.name}: holds {unwanted[0]}, {len(unwanted)} such files")
    if missing := [end for end in wanted if not any(name.endswith(f"/{end}") for name in held)]:
        raise SystemExit(f"{file.name}: lacks {', '.join(missing)}")
    if file.stat().st_size > _LARGEST:
        raise SystemExit(f"{file.name}: {file.stat().st_size:,} bytes, more than {_LARGEST:,}")


if __name__ == "__main__":
    main()
