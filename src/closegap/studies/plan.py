"""What a study trains: a folder and a config for every arm and seed."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from jsonargparse import Namespace

from closegap.errors import UsageError
from closegap.runs.config import Layer, run_config

Plans: TypeAlias = Mapping[Path, Namespace]
"""A run's folder to its config."""


def arm_plans(
    configs: Sequence[Layer], arms: Sequence[Layer], seeds: Sequence[int], out: Path, overrides: Sequence[str] = ()
) -> dict[Path, Namespace]:
    """Every arm with every seed.

    Args:
        configs: YAML files or mappings of a run; later ones win.
        arms: a YAML file or a mapping each, laid over them.
        seeds: of the runs.
        out: where the runs' folders are.
        overrides: dotted options on top of all.

    Raises:
        UsageError: a config that is none, or two runs of one arm and seed.
    """
    plans: dict[Path, Namespace] = {}
    for arm in arms:
        for seed in seeds:
            config = run_config([*configs, arm], [*overrides, "--seed", str(seed)])
            config.arm = config.arm or _name(arm)
            folder = out / f"{slug(config.arm)}-seed{seed}"
            if folder in plans:
                raise UsageError(
                    f"{_name(arm)}: seed {seed} of arm {config.arm!r} is there already; "
                    "give each file of --arms an `arm:` of its own, and each of --seeds once"
                )
            plans[folder] = config
    return plans


def _name(arm: Layer) -> str:
    return "arm" if isinstance(arm, Mapping) else Path(arm).stem


def slug(arm: str) -> str:
    """An arm's name as part of a folder's.

    Example:
        >>> slug("CLIP + ATP: text alone")
        'clip-atp-text-alone'
    """
    return re.sub(r"[^a-z0-9.]+", "-", arm.lower()).strip("-")
