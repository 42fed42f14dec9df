"""closegap search: ask an archive."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from closegap.bounds import PositiveFloat, PositiveInt, Share
from closegap.cli.arguments import parse, verb_parser
from closegap.errors import UsageError

if TYPE_CHECKING:
    from closegap.search.archive.answer import Answer
    from closegap.search.archive.query import Part

_DESCRIPTION = """Ask an archive that `closegap index build` made: hits of all modalities in one list, by case. Several
parts are one question; what is given with --without is taken away from it.

  closegap search archive --text "pneumothorax on the left"
  closegap search archive --image chest.png --in caption -k 5
  closegap search archive --id ROCO_24021 --where 'split == "test"'
  closegap search archive --image chest.png --text "pleural effusion" --without-text "pacemaker"
  closegap search archive --text "C0032285" --as concepts --json

A probability is that of relevance, as the archive was calibrated. --raw merges the modalities by their cosines: what
the gap does to this question."""

_SHOWN = 60  # characters of a text


def parser() -> ArgumentParser:
    """What a question is made of."""
    found = verb_parser("search", _DESCRIPTION)
    found.add_argument("archive", type=Path, help="the archive's folder")
    for sign, what in (("", "ask by"), ("without-", "take away")):
        found.add_argument(f"--{sign}text", type=str, nargs="+", default=[], help=f"{what} words")
        found.add_argument(f"--{sign}image", type=Path, nargs="+", default=[], help=f"{what} image files")
        found.add_argument(f"--{sign}id", type=str, nargs="+", default=[], help=f"{what} cases of the archive")
    found.add_argument("--weight", type=PositiveFloat, default=0.5, help="of what is taken away, beside 1 of the rest")
    found.add_argument(
        "--as", type=str | None, default=None, help="the modality that embeds --text or --image, or asks of --id"
    )
    found.add_argument("--in", type=str, nargs="+", default=[], help="search these modalities alone")
    found.add_argument(
        "--where", type=str | None, default=None, help="a condition, such as 'age > 60 and sex == \"F\"'"
    )
    found.add_argument("-k", type=PositiveInt, default=10, help="how many hits")
    found.add_argument("--quota", type=str, nargs="+", default=[], help="at most so many of a modality: image=5")
    found.add_argument("--raw", action="store_true", help="merge by cosine, without corrections")
    found.add_argument(
        "--approximate", action="store_true", help="look at the likely rows alone, where the index has lists or a graph"
    )
    found.add_argument("--alpha", type=Share, default=0.1, help="how often a set of answers may miss")
    found.add_argument("--json", action="store_true", help="for programs")
    return found


def main(arguments: Sequence[str]) -> None:
    """Ask, and print what was found."""
    given = parse(parser(), arguments)
    quotas = dict(map(_quota, given.quota))
    from closegap.search.archive.archive import open as open_archive
    from closegap.search.archive.query import Query

    query = Query(
        _parts(given),
        given.k,
        tuple(name for names in vars(given)["in"] for name in names.split(",")),
        given.where,
        quotas,
        "cosine" if given.raw else "corrected",
        given.alpha,
        exact=not given.approximate,
    )
    with open_archive(given.archive) as archive:
        answer = archive.ask(query)
    if given.json:
        print(json.dumps(answer.as_json(), ensure_ascii=False))
    else:
        _print(answer)


def _parts(given: Namespace) -> "list[Part]":
    from closegap.search.archive.query import Part

    modality = vars(given)["as"]

    def words(text: str, weight: float, modality: str | None) -> Part:
        """Of a modality that is named, an item; so that codes are taken, too."""
        return Part.text(text, weight) if modality is None else Part.item(text, modality, weight)

    forms: dict[str, Callable[[Any, float, str | None], Part]] = {"text": words, "image": Part.image, "id": Part.case}
    found: list[Part] = []
    for sign, weight in (("", 1.0), ("without_", -given.weight)):
        for form, make in forms.items():
            found += [make(value, weight, modality) for value in vars(given)[f"{sign}{form}"]]
    if not any(part.weight > 0 for part in found):
        raise UsageError("--text, --image, --id: none is given; ask for something")
    return found


def _quota(given: str) -> tuple[str, int]:
    name, _, number = given.rpartition("=")
    if not name or not number.isdecimal():
        raise UsageError(f"--quota {given}: expected a modality and a number, such as image=5")
    return name, int(number)


def _print(answer: "Answer") -> None:
    from rich.table import Table
    from rich.text import Text

    from closegap.cli.console import console, say
    from closegap.printable import printable

    table = Table(box=None, pad_edge=False)
    for name in ("", "score", "cosine", "probability", "modality", "case", "what"):
        table.add_column(name, justify="right" if name in ("", "score", "cosine", "probability") else "left")
    for number, hits in enumerate(answer.cases, start=1):
        for place, hit in enumerate(hits):
            text = hit.text if len(hit.text) <= _SHOWN else f"{hit.text[: _SHOWN - 1].rstrip()}…"
            cells = [
                str(number) if not place else "",
                f"{hit.score:.3f}",
                f"{hit.cosine:.3f}",
                "" if hit.probability is None else _percent(hit.probability),
                hit.modality,
                hit.id if not place or hit.id != hit.case else '"',
                text,
            ]
            table.add_row(*(Text(printable(cell)) for cell in cells))
    console().print(table)
    for note in answer.notes:
        say(note)
    if not answer.hits:
        say("nothing was found: no row satisfies the condition, or none is there")
    elif answer.unsure:
        assert answer.p_value is not None
        share = 1 - answer.p_value
        say(f"not sure: {share:.0%} of questions whose answers were left out come nearer to something than this one")


def _percent(probability: float) -> str:
    """A probability as a person reads it.

    Example:
        >>> _percent(0.9999), _percent(0.123), _percent(0.00002)
        ('> 99.9%', '12.3%', '< 0.1%')
    """
    if probability > 0.999:
        return "> 99.9%"
    return "< 0.1%" if probability < 0.001 else f"{probability:.1%}"
