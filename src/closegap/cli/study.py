"""closegap study: several arms, several seeds, one comparison."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from closegap.bounds import Seed
from closegap.caption import Generation
from closegap.cli.arguments import add_no_cases, parse_with_overrides, verb_parser
from closegap.cli.curves import add_calibrate, chosen_calibration
from closegap.cli.methods import CORRECT_HELP, METHODS_HELP, chosen_methods
from closegap.cli.metrics import METRICS_HELP, chosen_metrics
from closegap.cli.stages import REFERENCE_HELP, SCORES_HELP, chosen_stages
from closegap.errors import UsageError
from closegap.runs.presets import ARMS, CAPTION_ARMS, preset

_DESCRIPTION = """Train every arm with every seed and compare them on the test split. An arm is a YAML file laid over
the config; the first is the baseline. Three arms come with closegap: CLIP with a learnable temperature, CLIP with a
fixed one, and CLIP + Align True Pairs + Centroid Uniformity. Runs that are done are not trained again, and one that
was stopped goes on, so the same command may be given again.

  closegap study --config configs/roco-small.yaml --data.root ROCO --seeds 0 1 2 --out runs/roco

With --on, decoders are trained on finished runs: every arm on every run, with the run's data, model and seed. They are
compared on the captions that they write, arm by arm and together, beside two baselines. Two arms come with closegap:
from pairs, and from text alone.

  closegap study --on runs/roco/*-seed? --config configs/captioning.yaml --out runs/captions
  closegap study --on runs/roco/*-seed? --config configs/captioning.yaml --correct realign canonical --out runs/captions

A config is trusted input, and so is a run's folder: the modules of the classes that they name are imported."""


def parser() -> ArgumentParser:
    """What a study takes."""
    found = verb_parser("study", _DESCRIPTION)
    found.add_argument("--config", type=Path, nargs="+", required=True, help="what all arms share; later files win")
    found.add_argument("--arms", type=Path, nargs="+", default=None, help="YAML files; default: those of closegap")
    found.add_argument("--seeds", type=Seed, nargs="+", default=[0], help="seeds of each arm")
    found.add_argument("--on", type=Path, nargs="+", default=[], help="finished runs to train decoders on")
    found.add_argument("--split", type=str, default="test", help="what the arms are compared on")
    found.add_argument("--out", type=Path, required=True, help="folder for the runs and the report")
    found.add_argument("--metrics", type=str, nargs="+", default=["all"], help=METRICS_HELP)
    found.add_argument("--posthoc", type=str, nargs="+", default=[], help=METHODS_HELP)
    found.add_argument("--scores", type=str, nargs="+", default=[], help=SCORES_HELP)
    found.add_argument("--reference", type=str, default="train", help=REFERENCE_HELP)
    add_calibrate(found, "--reference, which is then to be named: validation")
    found.add_argument("--correct", type=str, nargs="+", default=[], help=f"with --on, {CORRECT_HELP}")
    found.add_argument("--fit-on", type=str, default="train", help="the split that post-hoc methods are fitted on")
    add_no_cases(found)
    found.add_class_arguments(Generation, "search", help="how captions are searched for, with --on")
    return found


def main(arguments: Sequence[str]) -> None:
    """Train and compare arms."""
    given, overrides = parse_with_overrides(parser(), arguments, ("search",))
    from closegap.api.bars import Bars
    from closegap.caption.study import caption_study
    from closegap.cli.caption import say_captions
    from closegap.cli.console import say
    from closegap.cli.tables import print_tables
    from closegap.cli.train import say_trained
    from closegap.studies.study import study

    if given.on:
        defaults = {"seeds": [0], "metrics": ["all"], "posthoc": [], "scores": [], "calibrate": None}
        for option, default in defaults.items():
            if given[option] != default:
                raise UsageError(f"--{option}: means nothing with --on, where runs are given and captions are scored")
    elif given.correct:
        raise UsageError("--correct: moves what decoders read; name the runs that they are trained on with --on")
    if given.no_cases:
        overrides += ["--train.show_cases", "false"]
    methods, metrics = chosen_methods(given.posthoc), chosen_metrics(given.metrics)
    stages = chosen_stages(given.scores)
    shared = {
        "split": given.split,
        "overrides": overrides,
        "watching": Bars,
        "finished": say_trained,
        "cases": not given.no_cases,
    }
    if given.on:
        arms = given.arms or [preset(name) for name in CAPTION_ARMS]
        search = Generation(**vars(given.search))
        written = caption_study(
            given.on,
            given.config,
            arms,
            given.out,
            search=search,
            corrections=given.correct,
            fit_on=given.fit_on,
            **shared,
        )
        say_captions(written)
        say(f"report: {written.page}")
        return
    arms = given.arms or [preset(name) for name in ARMS]
    found = study(
        given.config,
        arms,
        given.out,
        seeds=given.seeds,
        metrics=metrics,
        methods=methods,
        stages=stages,
        reference=given.reference,
        calibration=chosen_calibration(given.calibrate),
        fit_on=given.fit_on,
        **shared,
    )
    print_tables(found.comparison)
    say(f"report: {found.page}")
