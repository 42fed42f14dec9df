"""closegap deidentify: DICOM files without the people in them."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from closegap.cli.arguments import parse, verb_parser
from closegap.errors import ClosegapError

_DESCRIPTION = """Write the DICOM files of a folder anew, without the people in them: the Basic Profile of PS3.15 at any
depth of sequences, UIDs, patients and dates replaced under a key, private attributes removed, text in pixels found.

  closegap deidentify IN OUT --key pacs.key
  closegap deidentify IN OUT --key pacs.key --burned-in black

Files of OUT are named by keyed digests; OUT/log.csv says what was done to each, without a value. What is refused is
listed, and the exit code is 1 then. Free text that nobody marked as such, faces and handwriting are not found: see
docs/dicom.md before files are given away."""


def parser() -> ArgumentParser:
    """What de-identification takes."""
    found = verb_parser("deidentify", _DESCRIPTION)
    found.add_argument("folder", type=Path, metavar="IN", help="the folder of DICOM files, which stays as it is")
    found.add_argument("out", type=Path, metavar="OUT", help="the folder to write, which must not exist")
    found.add_argument(
        "--key", type=Path, required=True, help="file with the key; whoever holds it can find the way back"
    )
    found.add_argument(
        "--burned-in",
        choices=["refuse", "black", "ignore"],
        default="refuse",
        help="files with text in their pixels: refuse them, black the text out, or do not look",
    )
    return found


def main(arguments: Sequence[str]) -> None:
    """De-identify a folder."""
    given = parse(parser(), arguments)
    from closegap.api.bars import Bars
    from closegap.cli.console import say
    from closegap.data.deidentification.folder import LOG, deidentify_folder

    with Bars("files") as bars:
        done, reasons = deidentify_folder(given.folder, given.out, given.key, given.burned_in, bars.work)
    written = sum(one.outcome == "written" for one in done)
    for reason in reasons:
        say(f"refused  {reason}")
    say(f"{given.out}: {written} of {len(done)} files, {sum(one.boxes for one in done)} places with text blacked out")
    if written < len(done):
        raise ClosegapError(
            f"{len(done) - written} of {len(done)} files were refused; {given.out / LOG} has the others"
        )
