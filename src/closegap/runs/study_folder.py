"""A study's folder: one run beside the other, and the comparison of them."""

import json
from collections.abc import Sequence
from pathlib import Path

from closegap.runs.config_file import read_config_file

_CONFIG = "config.yaml"


def study_runs(folder: Path) -> list[Path]:
    """The runs of a study, in the order of its report, else by name; none where the folder is no study."""
    runs = sorted(path.parent for path in folder.glob(f"*/{_CONFIG}"))
    arms = {name: place for place, name in enumerate(_reported(folder / "report.json"))}
    return sorted(runs, key=lambda run: arms.get(_arm(run), len(arms)))


def expanded(folders: Sequence[Path]) -> list[Path]:
    """The folders, each study's replaced by those of its runs."""
    found = [[folder] if (folder / _CONFIG).is_file() else study_runs(folder) or [folder] for folder in folders]
    return [run for runs in found for run in runs]


def not_a_run(folder: Path) -> str:
    """What a folder without a config is, and what to do, to be said after its name."""
    runs = [run.name for run in study_runs(folder)]
    if runs:
        return f"the folder of a study, not of a run; name one of its runs: {', '.join(runs)}"
    return f"not a run folder (no {_CONFIG}); `closegap train --config FILE --out {folder}` makes one"


def _reported(report: Path) -> list[str]:
    try:
        return [str(arm["name"]) for arm in json.loads(report.read_text(encoding="utf-8"))["arms"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # a study that was stopped has none yet


def _arm(run: Path) -> str:
    return str(read_config_file(run / _CONFIG).get("arm", ""))
