"""Where a run was made: versions, machine, command."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from closegap.distributed import world_size

_PACKAGES = ("closegap", "torch", "torchvision", "timm", "transformers", "accelerate", "numpy", "safetensors")


def environment(seed: int) -> dict[str, Any]:
    """Versions, machine and seed of a run."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "git": _git_hash(),
        "seed": seed,
        "processes": world_size(),
        "command": sys.argv,
    }


def _git_hash() -> str | None:
    """Commit of the working folder, if it is a repository."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
