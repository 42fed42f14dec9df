"""closegap study: several arms, several seeds, one comparison."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from jsonargparse import Namespace

from closegap.cli.arguments import parse_with_overrides, verb_parser
from closegap.cli.console import say
from closegap.cli.methods import METHODS_HELP, chosen_methods
from closegap.cli.presets import ARMS, preset
from closegap.cli.results import METRICS_HELP, Metrics, compare_runs
from closegap.cli.train import train_run
from closegap.errors import UsageError
from closegap.posthoc import PostHoc
from closegap.train.run import parse_run

_DESCRIPTION = """Train every arm with every seed and compare them on the test split. An arm is a YAML file laid over
the config; the first is the baseline. Three arms come with closegap: CLIP with a learnable temperature, CLIP with a
fixed one, and CLIP + Align True Pairs + Centroid Uniformity. Runs that are done are not trained again, and one that
was stopped goes on, so the same command may be given again.

  closegap study --config configs/roco-small.yaml --data.root ROCO --seeds 0 1 2 --out runs/roco"""


def main(arguments: Sequence[str]) -> None:
    """Train and compare arms."""
    parser = verb_parser("study", _DESCRIPTION)
    parser.add_argument("--config", type=Path, nargs="+", required=True, help="what all arms share; later files win")
    parser.add_argument("--arms", type=Path, nargs="+", default=[preset(name) for name in ARMS], help="YAML files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of each arm")
    parser.add_argument("--split", type=str, default="test", help="what the arms are compared on")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs and the report")
    parser.add_argument("--metrics", type=Metrics, default="all", help=METRICS_HELP)
    parser.add_argument("--posthoc", type=str, nargs="+", default=[], help=METHODS_HELP)
    given, overrides = parse_with_overrides(parser, arguments)
    methods = chosen_methods(given.posthoc)
    page = study(given.config, given.arms, given.seeds, given.split, given.out, overrides, given.metrics, methods)
    say(f"report: {page}")


def study(
    configs: Sequence[Path],
    arms: Sequence[Path],
    seeds: Sequence[int],
    split: str,
    out: Path,
    overrides: Sequence[str],
    metrics: Metrics = "all",
    methods: Mapping[str, PostHoc] | None = None,
    title: str = "Arms compared",
) -> Path:
    """Train what is not trained yet, compare, write; the path of the page."""
    plans: dict[Path, Namespace] = {}
    for arm in arms:
        files = [part for config in (*configs, arm) for part in ("--config", str(config))]
        for seed in seeds:
            config = parse_run([*files, *overrides, "--seed", str(seed)])
            config.arm = config.arm or arm.stem
            folder = out / f"{_slug(config.arm)}-seed{seed}"
            if folder in plans:
                raise UsageError(
                    f"{arm}: seed {seed} of arm {config.arm!r} is there already; "
                    "give each file of --arms an `arm:` of its own, and each of --seeds once"
                )
            plans[folder] = config
    for number, (folder, config) in enumerate(plans.items(), start=1):
        train_run(config, folder, f"{number}/{len(plans)} {config.arm}, seed {config.seed}")
    return compare_runs(list(plans), split, out, title, metrics, methods=methods)


def _slug(arm: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", arm.lower()).strip("-")
