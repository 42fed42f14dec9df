"""closegap caption: images to captions, as a table and a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from closegap.caption import Generation, Scoring
from closegap.caption.predictions import TABLE
from closegap.cli.arguments import add_no_cases, add_out, free, parse_with_overrides, verb_parser
from closegap.cli.methods import CORRECT_HELP
from closegap.errors import UsageError

if TYPE_CHECKING:
    from closegap.caption.choose import Chosen
    from closegap.caption.write import CaptionsFolder

_DESCRIPTION = """Write a caption of each image with a trained decoder. Research use only, not for diagnosis.

  closegap caption runs/captions/pairs --split test --out captions
  closegap caption runs/captions/pairs --images FOLDER --out captions
  closegap caption runs/captions/pairs --manifest cases.csv --out captions --beams 5
  closegap caption runs/captions/pairs --split test --out captions --beams 1 --top_p 0.9 --seed 3
  closegap caption runs/captions/text-only --split test --correct realign shift --out captions

Writes captions.csv (ID,Caption) and report.html: images with their captions and, where true ones are known, scores with
intervals beside two baselines, which report.json holds too. A manifest has the columns id, image and, where captions
are known, caption. Several runs, or corrections, are put side by side; each then gets its own captions-N-NAME.csv.

A config is trusted input, and so is a run's folder: the modules of the classes that they name are imported."""


def parser() -> ArgumentParser:
    """What captioning takes."""
    found = verb_parser("caption", _DESCRIPTION)
    found.add_argument("runs", type=Path, nargs="+", help="folders of runs with a decoder; the first is the baseline")
    found.add_argument("--split", type=str | None, default=None, help="of the run's data; test by default")
    found.add_argument("--images", type=Path | None, default=None, help="a folder of images")
    found.add_argument("--manifest", type=Path | None, default=None, help="a table of images")
    add_out(found, "the folder to write")
    add_no_cases(found)
    found.add_argument("--correct", type=str, nargs="+", default=[], help=CORRECT_HELP)
    found.add_argument(
        "--fit-on", type=str, default="train", help="the split of the run's data that these are fitted on"
    )
    found.add_class_arguments(Generation, None)
    found.add_class_arguments(Scoring, None)
    return found


def main(arguments: Sequence[str]) -> None:
    """Caption images."""
    given, overrides = parse_with_overrides(parser(), arguments)
    free(given, TABLE, "report.json", "report.html")
    from closegap.api.bars import Bars
    from closegap.caption.arms import caption_runs
    from closegap.caption.write import write_captions
    from closegap.cli.console import say

    split, chosen = _chosen(given)
    scores = scoring(given)
    settings = generation(given)
    arms = caption_runs(given.runs, chosen, settings, scores, given.correct, overrides, Bars, given.fit_on)
    written = write_captions(arms, split, given.out, scores, cases=not given.no_cases)
    say_captions(written)
    say(f"report: {written.page}")


def generation(given: Namespace) -> Generation:
    """How captions are searched for, from parsed arguments."""
    return Generation(**{name: given[name] for name in Generation.__dataclass_fields__})


def scoring(given: Namespace) -> Scoring:
    """What is measured, from parsed arguments."""
    return Scoring(**{name: given[name] for name in Scoring.__dataclass_fields__})


def say_captions(written: "CaptionsFolder") -> None:
    """What was written where, and the scores."""
    from closegap.cli.console import say
    from closegap.cli.tables import print_tables

    for path, one in written.tables.items():
        say(f"{path}: {len(one.generated)} captions by {one.arm} ({one.run})")
    if written.comparison is not None:
        print_tables(written.comparison)


def _chosen(given: Namespace) -> "tuple[str, Chosen]":
    """What the images are called, and how they are picked."""
    from closegap.caption.choose import images_of_folder, images_of_table, split_cases

    sources = [name for name in ("split", "images", "manifest") if given[name] is not None]
    if len(sources) > 1:
        raise UsageError(f"--{sources[0]} and --{sources[1]} are both given; name one source of images")
    if given.images is not None:
        return given.images.name, images_of_folder(given.images)
    if given.manifest is not None:
        return given.manifest.name, images_of_table(given.manifest)
    split = given.split or "test"
    return split, split_cases(split)
