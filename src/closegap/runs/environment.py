"""Where a run was made: versions, machine, command."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any

from closegap.distributed import world_size

_WORD = re.compile(r"[a-z]+")
_OPTION = re.compile(r"--[a-zA-Z][\w.-]*(?==|$)")
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
        "command": said_of(sys.argv),
    }


def said_of(command: Sequence[str]) -> list[str]:
    """Program, verb and names of options: values may be secrets, and those that count are in the run's config.

    Example:
        >>> said_of(["/home/ann/bin/closegap", "train", "--data.root", "/data/Smith", "--train.lr=0.1"])
        ['closegap', 'train', '--data.root', '--train.lr']
    """
    program, *given = command or [""]
    verb = given[:1] if given and _WORD.fullmatch(given[0]) else []
    options = [found[0] for text in given if (found := _OPTION.match(text))]
    return [_program(program), *verb, *options]


def _program(path: str) -> str:
    """The name of the program; of `python -m PACKAGE` the package's."""
    file = PurePath(path)
    return file.parent.name if file.name == "__main__.py" else file.name


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
