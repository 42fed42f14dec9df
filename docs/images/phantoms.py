"""Draw docs/images/phantoms.png and its dark twin: twelve phantoms with their reports."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from closegap.data import Case
from closegap.phantom import Phantoms

SHOWN = {  # the first test case with each of these main findings, seen from there
    "pneumothorax": "pa",
    "pleural_effusion": "pa",
    "consolidation": "ap",
    "mass": "pa",
    "edema": "ap",
    "nodule": "lateral",
    "rib_fracture": "pa",
    "fibrosis": "pa",
    "free_air": "pa",
    "hiatal_hernia": "pa",
    "scoliosis": "pa",
    "normal": "ap",
}
SIDE, TEXT, GAP = 200, 124, 12
COLUMNS = 4
PAPER_AND_INK = {"phantoms.png": (255, 20), "phantoms-dark.png": (33, 210)}  # shades of grey


def main() -> None:
    """Write the figures beside this file."""
    phantoms = Phantoms(size=SIDE)
    cases = [case for case in phantoms.rows() if case.split == "test" and len(case.views["report"][0]) < 330]
    for name, (paper, ink) in PAPER_AND_INK.items():
        drawn(cases, paper, ink).quantize(40).save(Path(__file__).with_name(name), optimize=True)


def drawn(cases: Sequence[Case], paper: int, ink: int) -> Image.Image:
    """The phantoms on a sheet, each above its report.

    Args:
        cases: those that are chosen from.
        paper: shade of the sheet, of 255.
        ink: shade of the words.
    """
    sheet = Image.new("L", (COLUMNS * (SIDE + GAP) + GAP, 3 * (SIDE + TEXT + GAP) + GAP), paper)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(10.5)
    for place, (finding, view) in enumerate(SHOWN.items()):
        case = next(c for c in cases if c.labels["finding"] == finding and c.labels["view"] == view)
        left = GAP + place % COLUMNS * (SIDE + GAP)
        top = GAP + place // COLUMNS * (SIDE + TEXT + GAP)
        sheet.paste(case.views["image"][0].open(), (left, top))
        lines = [line for part in case.views["report"][0].splitlines() for line in textwrap.wrap(part, 40)]
        pen.multiline_text((left, top + SIDE + 6), "\n".join(lines), fill=ink, font=font, spacing=2)
    return sheet


if __name__ == "__main__":
    main()
