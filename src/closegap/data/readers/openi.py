"""IU X-ray as Open-i publishes it: a report in XML for each study, and its images."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from closegap.data.case import BrokenRow, Case, Row
from closegap.data.readers.patients import Held
from closegap.data.source import Source
from closegap.errors import DataError
from closegap.kinds.base import Kind
from closegap.kinds.codes import CodesKind
from closegap.kinds.image import ImageKind
from closegap.kinds.text import TextKind

_LARGEST = 2**20  # bytes of a report; those there are have some 10,000
_SECTIONS = ("findings", "impression")


class OpenI(Source):
    """3,955 chest studies, each of another patient, with up to five images.

    Modalities: "image", "findings", "impression", and "problems", a set of MeSH headings ("normal" where there are
    none). What was blacked out is "XXXX" in the texts. The label "problem" is the first heading without its
    qualifiers. Nobody published splits of this form: `held` says who is held out.

    Args:
        root: the folder of the unpacked `NLMCXR_reports.tgz` (*.xml) and `NLMCXR_png.tgz` (*.png), at any depth.
        held: which studies are held out.

    Reference:
        Demner-Fushman et al., Preparing a collection of radiology examinations for distribution and retrieval, JAMIA
        2016; the elements are uId, AbstractText with a Label, MeSH/major, and parentImage with an id.
    """

    def __init__(self, root: Path, held: Held | None = None) -> None:
        self._root, self._held = Path(root), held or Held()

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Images, texts, sets of headings."""
        return {"image": ImageKind(), **dict.fromkeys(_SECTIONS, TextKind()), "problems": CodesKind()}

    @property
    def data_root(self) -> Path:
        """The folder that was given."""
        return self._root

    def rows(self) -> Iterator[Row]:
        """The studies in the order of their files' names.

        Raises:
            DataError: no such folder, or no report in it.
        """
        if not self._root.is_dir():
            raise DataError(f"{self._root}: no such folder; expected what NLMCXR_reports.tgz and NLMCXR_png.tgz hold")
        reports = sorted(self._root.rglob("*.xml"), key=lambda path: (len(path.stem), path.stem))
        if not reports:
            raise DataError(f"{self._root}: holds no report *.xml; unpack NLMCXR_reports.tgz there")
        images = {path.stem: path for path in sorted(self._root.rglob("*.png"))}
        for path in reports:
            try:
                yield self._case(path, _element(path), images)
            except (OSError, ValueError, ElementTree.ParseError) as error:
                message = f"no report in XML, or a damaged one ({type(error).__name__}); fetch it again"
                yield BrokenRow("report unreadable", str(path), message)

    def _case(self, path: Path, report: ElementTree.Element, images: Mapping[str, Path]) -> Row:
        named = report.find(".//uId")
        name = (named.get("id") if named is not None else None) or path.stem
        views: dict[str, tuple[Any, ...]] = {}
        for section in _SECTIONS:
            texts = [one for one in report.iter("AbstractText") if (one.get("Label") or "").lower() == section]
            if words := " ".join(" ".join(_words(one) for one in texts).split()):
                views[section] = (words,)
        problems = list(dict.fromkeys(filter(None, (_words(one) for one in report.iterfind(".//MeSH/major")))))
        if problems:
            views["problems"] = (tuple(problems),)
        listed = [one.get("id") or "" for one in report.iter("parentImage")]
        if any("/" in one or "\0" in one for one in listed):
            return BrokenRow("no image", str(path), "names an image that lies elsewhere; fetch it again")
        if found := tuple(images.get(one, self._root / f"{one}.png") for one in dict.fromkeys(listed) if one):
            views["image"] = found
        if not views:
            return BrokenRow("empty report", str(path), "says nothing and has no image; leave it out")
        labels = {"problem": problems[0].partition("/")[0] if problems else ""}
        return Case(name, self._held.split(name), name, views, labels, _headings(problems))


def _element(path: Path) -> ElementTree.Element:
    if path.stat().st_size > _LARGEST:
        raise ValueError("too large")
    return ElementTree.fromstring(path.read_bytes())


def _words(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def _headings(problems: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(problem.partition("/")[0] for problem in problems))
