"""closegap caption: images to captions, as a table and a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from closegap.caption import Generation, Scoring
from closegap.cli.arguments import add_out, free, parse_with_overrides, verb_parser
from closegap.errors import DataError, UsageError

if TYPE_CHECKING:
    from closegap.cli.captioned import Chosen, Written
    from closegap.data import Case
    from closegap.training.captions import CaptionWriter

TABLE = "captions.csv"

_DESCRIPTION = """Write a caption of each image with a trained decoder. Research use only, not for diagnosis.

  closegap caption runs/captions/pairs --split test --out captions
  closegap caption runs/captions/pairs --images FOLDER --out captions
  closegap caption runs/captions/pairs --manifest cases.csv --out captions --beams 5
  closegap caption runs/captions/pairs --split test --out captions --beams 1 --top_p 0.9 --seed 3
  closegap caption runs/captions/text-only --split test --correct realign shift --out captions

Writes captions.csv (ID,Caption) and report.html: images with their captions and, where true ones are known, scores with
intervals beside two baselines, which report.json holds too. A manifest has the columns id, image and, where captions
are known, caption. Several runs, or corrections, are put side by side; each then gets its own captions-N-NAME.csv."""


def parser() -> ArgumentParser:
    """What captioning takes."""
    found = verb_parser("caption", _DESCRIPTION)
    found.add_argument("runs", type=Path, nargs="+", help="folders of runs with a decoder; the first is the baseline")
    found.add_argument("--split", type=str | None, default=None, help="of the run's data; test by default")
    found.add_argument("--images", type=Path | None, default=None, help="a folder of images")
    found.add_argument("--manifest", type=Path | None, default=None, help="a table of images")
    add_out(found, "the folder to write")
    found.add_argument(
        "--correct",
        type=str,
        nargs="+",
        default=[],
        help="also with these post-hoc methods: shift, realign, procrustes",
    )
    found.add_class_arguments(Generation, None)
    found.add_class_arguments(Scoring, None)
    return found


def main(arguments: Sequence[str]) -> None:
    """Caption images."""
    given, overrides = parse_with_overrides(parser(), arguments)
    free(given, TABLE, "report.json", "report.html")
    from closegap.cli.captioned import caption_runs
    from closegap.cli.console import say

    split, chosen = _chosen(given)
    scores = scoring(given)
    written = caption_runs(given.runs, chosen, generation(given), scores, given.correct, overrides)
    page = write_captions(written, split, given.out, scores)
    say(f"report: {page}")


def generation(given: Namespace) -> Generation:
    """How captions are searched for, from parsed arguments."""
    return Generation(**{name: given[name] for name in Generation.__dataclass_fields__})


def scoring(given: Namespace) -> Scoring:
    """What is measured, from parsed arguments."""
    return Scoring(**{name: given[name] for name in Scoring.__dataclass_fields__})


def write_captions(
    written: "Sequence[Written]", split: str, out: Path, scoring: Scoring, title: str = "Generated captions"
) -> Path:
    """Write tables, page and report, print the scores; the path of the page."""
    from closegap.caption.predictions import write_predictions
    from closegap.cli.captioned import compared, write_page
    from closegap.cli.console import say
    from closegap.cli.tables import print_tables

    own = [one for one in written if one.run is not None]
    comparison = compared(written, split, scoring)
    page = write_page(written, comparison, out, title)
    for number, one in enumerate(own, start=1):
        name = TABLE if len(own) == 1 else f"captions-{number}-{one.name}.csv"
        write_predictions(out / name, [case.id for case in one.cases], one.generated)
        say(f"{out / name}: {len(one.generated)} captions by {one.arm} ({one.run})")
    if comparison is not None:
        print_tables(comparison)
    return page


def split_cases(split: str) -> "Chosen":
    """Picks a split's cases that have an image."""

    def chosen(writer: "CaptionWriter", splits: "Mapping[str, Sequence[Case]]") -> "Sequence[Case]":
        image = writer.captioning.image
        found = [case for case in splits.get(split, ()) if case.views.get(image)]
        if not found:
            raise DataError(f"no case with {image!r} in split {split!r}; there are {', '.join(splits)}")
        return found

    return chosen


def _chosen(given: Namespace) -> "tuple[str, Chosen]":
    """What the images are called, and how they are picked."""
    from closegap.data.readers.pictures import folder_cases, listed_cases

    sources = [name for name in ("split", "images", "manifest") if given[name] is not None]
    if len(sources) > 1:
        raise UsageError(f"--{sources[0]} and --{sources[1]} are both given; name one source of images")
    if given.images is not None:
        return str(given.images), lambda writer, _: folder_cases(
            given.images, writer.captioning.image, writer.watcher.images
        )
    if given.manifest is not None:
        return str(given.manifest), lambda writer, _: listed_cases(
            given.manifest, writer.captioning.image, writer.captioning.text, writer.watcher.images
        )
    split = given.split or "test"
    return split, split_cases(split)
