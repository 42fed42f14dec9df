"""What a study trains: a folder and a config for every arm and seed."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from jsonargparse import Namespace

from closegap.errors import UsageError
from closegap.runs.config import parse_run

Plans: TypeAlias = Mapping[Path, Namespace]
"""A run's folder to its config."""


def arm_plans(
    configs: Sequence[Path], arms: Sequence[Path], seeds: Sequence[int], out: Path, overrides: Sequence[str] = ()
) -> dict[Path, Namespace]:
    """Every arm with every seed.

    Args:
        configs: YAML files of a run; later ones win.
        arms: a YAML file each, laid over them.
        seeds: of the runs.
        out: where the runs' folders are.
        overrides: dotted options on top of all.

    Raises:
        UsageError: a config that is none, or two runs of one arm and seed.
    """
    plans: dict[Path, Namespace] = {}
    for arm in arms:
        files = [part for config in (*configs, arm) for part in ("--config", str(config))]
        for seed in seeds:
            config = parse_run([*files, *overrides, "--seed", str(seed)])
            config.arm = config.arm or arm.stem
            folder = out / f"{slug(config.arm)}-seed{seed}"
            if folder in plans:
                raise UsageError(
                    f"{arm}: seed {seed} of arm {config.arm!r} is there already; "
                    "give each file of --arms an `arm:` of its own, and each of --seeds once"
                )
            plans[folder] = config
    return plans


def slug(arm: str) -> str:
    """An arm's name as part of a folder's.

    Example:
        >>> slug("CLIP + ATP: text alone")
        'clip-atp-text-alone'
    """
    return re.sub(r"[^a-z0-9.]+", "-", arm.lower()).strip("-")
