"""How often an archive says "not sure": of questions that have an answer, of such whose case was left out, of others.

    python benchmarks/not_sure.py archive --texts scenes=nlvr/cases.csv:sentence --images stamps=stamps/images

Rows of the test split ask, one of each group: by case, as they are, and with the rows of their own group left out.
Texts and pictures of other fields are given; words drawn from these texts, letters and pixels at random come with them.
Rates have 95% intervals (Wilson); each question is of another group, or another text.
"""

import argparse
import csv
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
from PIL import Image
from scipy.stats import binomtest

from closegap.search import Archive, Part, Query
from closegap.search import open as open_archive

ALPHAS = (0.05, 0.1)
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


def main() -> None:
    """Print the table."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("archive")
    given.add_argument("--texts", nargs="*", default=[], help="NAME=FILE.csv:COLUMN")
    given.add_argument("--images", nargs="*", default=[], help="NAME=FOLDER")
    given.add_argument("--questions", type=int, default=300, help="of each other field")
    asked = given.parse_args()
    draw = random.Random(0)
    csv.field_size_limit(10**9)
    texts = {name: _texts(Path(of)) for name, of in (one.split("=", 1) for one in asked.texts)}
    images = {name: _files(Path(of)) for name, of in (one.split("=", 1) for one in asked.images)}
    print(f"asked | {' | '.join(f'not sure at alpha {alpha:g}' for alpha in ALPHAS)}")
    with open_archive(asked.archive) as archive:
        for name in archive.modalities:
            cases = list(_of_test(archive, name, draw))
            own = [Part.case(case, modality=name) for case, _ in cases]
            _row(f"{name}, its case in the archive", archive, [Query([one], 1) for one in own])
            _row(
                f"{name}, its case left out",
                archive,
                [Query([one], 1, where=f"group != {group!r}") for one, (_, group) in zip(own, cases, strict=True)],
            )
        for name, of in texts.items():
            _row(f"texts: {name}", archive, _asking(Part.text, draw.sample(of, min(asked.questions, len(of)))))
        words = sorted({word for of in texts.values() for text in of for word in re.findall("[a-z]{3,}", text.lower())})
        if words:
            drawn = [" ".join(draw.sample(words, draw.randint(3, 12))) for _ in range(asked.questions)]
            _row("texts: words at random", archive, _asking(Part.text, drawn))
            drawn = [" ".join(_letters(draw) for _ in range(draw.randint(3, 10))) for _ in range(asked.questions)]
            _row("texts: letters at random", archive, _asking(Part.text, drawn))
        for name, files in images.items():
            picked = draw.sample(files, min(asked.questions, len(files)))
            _row(f"pictures: {name}", archive, _asking(Part.image, picked))
        if images:
            noise = np.random.default_rng(0)
            drawn_images = [Image.fromarray(noise.integers(0, 255, (224, 224, 3), np.uint8)) for _ in range(100)]
            _row("pictures: pixels at random", archive, _asking(Part.image, drawn_images))


def _row(name: str, archive: Archive, queries: Sequence[Query]) -> None:
    values = [answer.p_value for answer in map(archive.ask, queries)]
    cells = [_rate([value is not None and value <= alpha for value in values]) for alpha in ALPHAS]
    print(f"| {name} | {len(values)} | {' | '.join(cells)} |", flush=True)


def _rate(told: Sequence[bool]) -> str:
    found = binomtest(sum(told), len(told)).proportion_ci(method="wilson")
    return f"{sum(told) / len(told):.1%} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def _of_test(archive: Archive, modality: str, draw: random.Random) -> Iterator[tuple[str, str]]:
    """Case and group of one row of each group of the test split."""
    rows = archive.index.read(modality, archive.index.ids(modality)).rows
    there = [row for row in rows if row.payload.get("split") == "test"]
    draw.shuffle(there)
    yield from {row.group: (row.case, row.group) for row in there}.values()


def _texts(place: Path) -> list[str]:
    name, _, column = str(place).rpartition(":")
    path = Path(name)
    with path.open(encoding="utf-8", newline="") as file:
        lines = {line.strip() for row in csv.DictReader(file) for line in row[column].split("\n")}
    return sorted(line for line in lines if len(line.split()) > 3)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)


def _letters(draw: random.Random) -> str:
    return "".join(draw.choice(ascii_lowercase) for _ in range(draw.randint(3, 9)))


def _asking(made: Any, items: Sequence[Any]) -> list[Query]:
    return [Query([made(item)], 1) for item in items]


if __name__ == "__main__":
    main()
