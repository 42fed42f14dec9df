"""closegap study: several arms, several seeds, one comparison."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from jsonargparse import Namespace

from closegap.caption import Generation
from closegap.cli.arguments import parse_with_overrides, verb_parser
from closegap.cli.caption import split_cases, write_captions
from closegap.cli.captioned import Scoring, caption_runs, compared, write_page
from closegap.cli.console import say
from closegap.cli.presets import ARMS, CAPTION_ARMS, preset
from closegap.cli.results import METRICS_HELP, Metrics, compare_runs
from closegap.cli.train import train_run
from closegap.errors import UsageError
from closegap.train.run import CONFIG, parse_run, read_config

_DESCRIPTION = """Train every arm with every seed and compare them on the test split. An arm is a YAML file laid over
the config; the first is the baseline. Three arms come with closegap: CLIP with a learnable temperature, CLIP with a
fixed one, and CLIP + Align True Pairs + Centroid Uniformity. Runs that are done are not trained again, and one that
was stopped goes on, so the same command may be given again.

  closegap study --config configs/roco-small.yaml --data.root ROCO --seeds 0 1 2 --out runs/roco

With --on, decoders are trained on finished runs: every arm on every run, with the run's data, model and seed. They are
compared on the captions that they write, arm by arm and together, beside two baselines. Two arms come with closegap:
from pairs, and from text alone.

  closegap study --on runs/roco/*-seed? --config configs/captioning.yaml --out runs/captions"""


def main(arguments: Sequence[str]) -> None:
    """Train and compare arms."""
    parser = verb_parser("study", _DESCRIPTION)
    parser.add_argument("--config", type=Path, nargs="+", required=True, help="what all arms share; later files win")
    parser.add_argument("--arms", type=Path, nargs="+", default=None, help="YAML files; default: those of closegap")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of each arm")
    parser.add_argument("--on", type=Path, nargs="+", default=[], help="finished runs to train decoders on")
    parser.add_argument("--split", type=str, default="test", help="what the arms are compared on")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs and the report")
    parser.add_argument("--metrics", type=Metrics, default="all", help=METRICS_HELP)
    parser.add_class_arguments(Generation, "search", help="how captions are searched for, with --on")
    given, overrides = parse_with_overrides(parser, arguments, ("search",))
    if given.on:
        arms = given.arms or [preset(name) for name in CAPTION_ARMS]
        search = Generation(**vars(given.search))
        page = caption_study(given.on, given.config, arms, given.split, given.out, overrides, search)
    else:
        arms = given.arms or [preset(name) for name in ARMS]
        page = study(given.config, arms, given.seeds, given.split, given.out, overrides, given.metrics)
    say(f"report: {page}")


def study(
    configs: Sequence[Path],
    arms: Sequence[Path],
    seeds: Sequence[int],
    split: str,
    out: Path,
    overrides: Sequence[str],
    metrics: Metrics = "all",
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
    _train(plans)
    return compare_runs(list(plans), split, out, title, metrics)


def caption_study(
    runs: Sequence[Path],
    configs: Sequence[Path],
    arms: Sequence[Path],
    split: str,
    out: Path,
    overrides: Sequence[str],
    search: Generation,
) -> Path:
    """Train what is not trained yet of every arm on every run, caption, compare, write; the path of the page."""
    plans: dict[Path, Namespace] = {}
    of_arm: dict[str, list[Path]] = {}
    for arm in arms:
        for run in runs:
            base = read_config(run)
            files = [part for config in (run / CONFIG, *configs, arm) for part in ("--config", str(config))]
            config = parse_run([*files, *overrides, "--captioning.model_from", str(run), "--seed", str(base.seed)])
            own = arm.stem if config.arm == base.arm else config.arm
            config.arm = f"{base.arm or run.name}: {own}"
            folder = out / f"{_slug(config.arm)}-seed{config.seed}"
            if folder in plans:
                raise UsageError(
                    f"{run}: seed {config.seed} of arm {config.arm!r} is there already; name each run once"
                )
            plans[folder] = config
            of_arm.setdefault(own, []).append(folder)
    _train(plans)
    written = caption_runs(list(plans), split_cases(split), search, Scoring())
    baselines = [one for one in written if one.run is None]
    for own, folders in of_arm.items():
        chosen = [one for one in written if one.run in folders]
        write_page([*chosen, *baselines], compared([*chosen, *baselines], split), out / _slug(own), f"Captions: {own}")
    return write_captions(written, split, out, "Captions compared")


def _train(plans: Mapping[Path, Namespace]) -> None:
    for number, (folder, config) in enumerate(plans.items(), start=1):
        train_run(config, folder, f"{number}/{len(plans)} {config.arm}, seed {config.seed}")


def _slug(arm: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", arm.lower()).strip("-")
