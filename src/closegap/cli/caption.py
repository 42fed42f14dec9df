"""closegap caption: images to captions, as a table and a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jsonargparse import Namespace

from closegap.caption import Generation
from closegap.caption.predictions import write_predictions
from closegap.cli.arguments import free_folder, parse_with_overrides, verb_parser
from closegap.cli.captioned import Chosen, Scoring, Written, caption_runs, compared, write_page
from closegap.cli.console import say
from closegap.cli.results import print_tables
from closegap.data import Case
from closegap.data.readers.pictures import folder_cases, listed_cases
from closegap.errors import DataError, UsageError
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


def main(arguments: Sequence[str]) -> None:
    """Caption images."""
    parser = verb_parser("caption", _DESCRIPTION)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs with a decoder; the first is the baseline")
    parser.add_argument("--split", type=str | None, default=None, help="of the run's data; test by default")
    parser.add_argument("--images", type=Path | None, default=None, help="a folder of images")
    parser.add_argument("--manifest", type=Path | None, default=None, help="a table of images")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument(
        "--correct",
        type=str,
        nargs="+",
        default=[],
        help="also with these post-hoc methods, of those with an anchor: shift, realign, ..., or package.module.Class",
    )
    parser.add_class_arguments(Generation, None)
    parser.add_class_arguments(Scoring, None)
    given, overrides = parse_with_overrides(parser, arguments)
    free_folder(given.out, TABLE, "choose another --out")
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
    written: Sequence[Written], split: str, out: Path, scoring: Scoring, title: str = "Generated captions"
) -> Path:
    """Write tables, page and report, print the scores; the path of the page."""
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


def split_cases(split: str) -> Chosen:
    """Picks a split's cases that have an image."""

    def chosen(writer: CaptionWriter, splits: Mapping[str, Sequence[Case]]) -> Sequence[Case]:
        image = writer.captioning.image
        found = [case for case in splits.get(split, ()) if case.views.get(image)]
        if not found:
            raise DataError(f"no case with {image!r} in split {split!r}; there are {', '.join(splits)}")
        return found

    return chosen


def _chosen(given: Namespace) -> tuple[str, Chosen]:
    """What the images are called, and how they are picked."""
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
