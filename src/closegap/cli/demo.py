"""closegap demo: see a modality gap being closed, on generated studies, in minutes."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from closegap.bounds import PositiveInt
from closegap.cli.arguments import parse, verb_parser
from closegap.runs.presets import DEMO_ARMS, preset

_RECOMMENDED = "CLIP + ATP + CU"
"""The arm that canonical alignment and standardised scores go on from."""

_DESCRIPTION = """Train three arms on phantoms (generated radiographs with their reports): CLIP with a learnable
temperature, CLIP with a fixed one, CLIP + Align True Pairs + Centroid Uniformity. Same seed, batch and steps. What is
recommended goes on from the last of them without training: canonical alignment and standardised scores, fitted on
validation. Compares all on held-out cases and writes report.html: one search before and after, the table, the latent
space, curves, queries.

  closegap demo --out runs/demo"""


def parser() -> ArgumentParser:
    """What the demo takes."""
    found = verb_parser("demo", _DESCRIPTION)
    found.add_argument("--out", type=Path, required=True, help="folder for the runs and the report")
    found.add_argument("--steps", type=PositiveInt | None, default=None, help="optimisation steps per arm")
    return found


def main(arguments: Sequence[str]) -> None:
    """Run the demo."""
    given = parse(parser(), arguments)
    from closegap.api.bars import Bars
    from closegap.cli.console import say
    from closegap.cli.tables import print_tables
    from closegap.cli.train import say_trained
    from closegap.posthoc import Canonical
    from closegap.scores import Standardise
    from closegap.studies.study import study

    overrides = [] if given.steps is None else ["--train.steps", str(given.steps)]
    arms = [preset(name) for name in DEMO_ARMS]
    title = "The modality gap, open and closed"
    found = study(
        [preset("demo.yaml")],
        arms,
        given.out,
        overrides=overrides,
        title=title,
        methods={"canonical": Canonical()},
        stages={"standardise": Standardise()},
        reference="validation",
        fit_on="validation",
        corrected_arms=[_RECOMMENDED],
        watching=Bars,
        finished=say_trained,
    )
    print_tables(found.comparison)
    say(f"\nLook at {found.page}")
