"""The phantoms as a data set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from closegap.bounds import Bound, PositiveInt, Seed, Share
from closegap.data.case import Case
from closegap.data.source import Source
from closegap.errors import UsageError
from closegap.kinds.base import Kind
from closegap.kinds.image import ImageKind
from closegap.kinds.record import RecordKind
from closegap.kinds.text import TextKind
from closegap.phantom.draw import Draw
from closegap.phantom.image import PhantomImage
from closegap.phantom.record import draw_record
from closegap.phantom.report import write_report
from closegap.phantom.study import Study, draw_study

SPLITS = ("train", "validation", "test")
BLOCK = 20  # cases in a row of which every split gets its share


class Phantoms(Source):
    """Generated chest studies: radiograph, report and structured record of each.

    Case i is a function of (seed, i) alone: a larger data set holds the smaller one, split by split, and any case can
    be made without the others. The same arguments give the same bytes on every machine.

    Args:
        cases: how many.
        seed: another seed gives other patients.
        size: width and height of the images in pixels.
        shares: of training, validation and test cases; met exactly in every 20 cases if multiples of 0.05.
        blanks: probability that a column of a record is blank.
        second_image: share of the PA and lateral studies that have the other of these views too.
        second_report: share of the cases that have the report of a second reader too.
        missing: share of the cases that lack one modality, each as often as the others.

    Raises:
        UsageError: an argument is out of range.
    """

    def __init__(
        self,
        cases: PositiveInt = 3000,
        seed: Seed = 0,
        size: Annotated[int, Bound(16, 2**14)] = 128,
        shares: tuple[Share, Share, Share] = (0.7, 0.1, 0.2),
        blanks: Share = 0.15,
        second_image: Share = 0.0,
        second_report: Share = 0.0,
        missing: Share = 0.0,
    ) -> None:
        if abs(sum(shares) - 1.0) > 1e-9:
            raise UsageError(
                f"data.shares: {tuple(shares)} given, expected train, validation and test shares that sum to 1"
            )
        self.cases, self.seed, self.size, self.shares = cases, seed, size, tuple(shares)
        self.blanks, self.second_image, self.second_report, self.missing = blanks, second_image, second_report, missing

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Image, report and record."""
        return {"image": ImageKind(), "report": TextKind(), "record": RecordKind()}

    def rows(self) -> Iterator[Case]:
        """Every case, in the order of the indices; images are rendered when they are opened."""
        return map(self.case, range(self.cases))

    def case(self, index: int) -> Case:
        """One case, also beyond `cases`."""
        study = draw_study(self.seed, index)
        draw = Draw(self.seed, index, "views")
        both_views = draw.chance(self.second_image) and study.view != "ap"
        readers = 2 if draw.chance(self.second_report) else 1
        lacking = draw.pick(self.modalities) if draw.chance(self.missing) else None
        images = [PhantomImage(study, self.size)]
        if both_views:
            other = replace(study, view="lateral" if study.view == "pa" else "pa")
            images.append(PhantomImage(other, self.size))
        views: dict[str, tuple[Any, ...]] = {
            "image": tuple(images),
            "report": tuple(write_report(study, reader).text for reader in range(readers)),
            "record": (draw_record(study, self.blanks),),
        }
        name = f"phantom-{self.seed}-{index:06d}"
        return Case(
            id=name,
            split=self.split(index),
            group=name,
            views={modality: items for modality, items in views.items() if modality != lacking},
            labels={"finding": study.main, "view": study.view, "side": _side(study)},
            concepts=study.concepts(),
        )

    def split(self, index: int) -> str:
        """The split of a case: each block of 20 is dealt out in an order of its own."""
        return dealt(self.seed, index, self.shares)

    def studies(self, split: str) -> Iterator[Study]:
        """The facts behind the cases of a split, in order."""
        return (draw_study(self.seed, index) for index in range(self.cases) if self.split(index) == split)


def dealt(seed: int, index: int, shares: Sequence[float]) -> str:
    """The split of a case: each block of 20 is dealt out to training, validation and test in an order of its own."""
    order = Draw(seed, index // BLOCK, "split").shuffled(range(BLOCK))
    place = (order[index % BLOCK] + 0.5) / BLOCK
    return SPLITS[(place > shares[0]) + (place > shares[0] + shares[1])]


def _side(study: Study) -> str:
    side = study.findings[0].side if study.findings else None
    return side or "none"
