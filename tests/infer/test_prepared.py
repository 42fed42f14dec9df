"""A new image is decoded once: what prepares it is what verifies it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image

from closegap.data import Case, Cases, Checks, Row, Source, load_cases
from closegap.infer.features import FeatureCache
from closegap.infer.prepared import Prepared, prepare, verifiers
from closegap.kinds import ImageKind, Kind, TextKind
from closegap.models import Model, SmallImageEncoder, SmallTextEncoder

CPU = torch.device("cpu")
DECODED: list[str] = []


@dataclass(frozen=True)
class Counted:
    """An image that counts how often it is decoded."""

    name: str
    broken: bool = False

    def open(self) -> Image.Image:
        DECODED.append(self.name)
        if self.broken:
            raise OSError("no pixels")
        return Image.new("L", (20, 20), 10 * int(self.name))

    def fingerprint(self) -> bytes:
        return self.name.encode()


class Pictures(Source):
    """Twelve pictures with a word each; some are broken."""

    def __init__(self, broken: frozenset[int] = frozenset()) -> None:
        self.broken = broken

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return {"image": ImageKind(), "report": TextKind()}

    def rows(self) -> Iterator[Row]:
        for number in range(12):
            views = {"image": (Counted(str(number), number in self.broken),), "report": (f"number {number}",)}
            yield Case(str(number), "train" if number < 8 else "test", str(number), views)


@pytest.fixture(autouse=True)
def nothing_decoded() -> None:
    DECODED.clear()


def model(frozen: bool) -> Model:
    torch.manual_seed(0)
    image = SmallImageEncoder(size=16, widths=(8, 8), grid=1)
    text = SmallTextEncoder(dim=16, layers=1, heads=2, max_length=8, buckets=64)
    return Model({"image": image.requires_grad_(not frozen), "report": text}, dim=4)


def loaded(
    cache: Path | None,
    frozen: bool,
    keep_images: bool = False,
    source: Source | None = None,
    checks: Checks | None = None,
) -> tuple[Cases, Prepared]:
    """Cases and the prepared train split, as a run gets them."""
    towers, features = model(frozen), None if cache is None else FeatureCache(cache)
    preparing = verifiers(towers, features, CPU, keep_images=keep_images)
    cases = load_cases(source or Pictures(), checks, verifiers=preparing)
    return cases, prepare(cases.split("train"), towers, features, CPU, keep_images=keep_images)


@pytest.mark.parametrize(("frozen", "keep_images"), [(True, False), (True, True), (False, True)])
def test_an_image_is_decoded_once(tmp_path: Path, frozen: bool, keep_images: bool) -> None:
    _, first = loaded(tmp_path, frozen, keep_images)
    assert sorted(DECODED, key=int) == [str(number) for number in range(12)]
    _, second = loaded(tmp_path, frozen, keep_images)
    assert len(DECODED) == 12
    for one, other in zip(first.views.values(), second.views.values(), strict=True):
        assert (one.features is None) == (other.features is None)
        if one.features is not None and other.features is not None:
            assert torch.equal(one.features, other.features)


def test_what_was_prepared_for_one_tower_is_verified_for_all(tmp_path: Path) -> None:
    loaded(tmp_path, frozen=True)
    load_cases(Pictures())
    assert len(DECODED) == 12


def test_splits_that_nobody_asks_for_are_decoded_alone(tmp_path: Path) -> None:
    """No tower runs on them."""
    towers, cache, told = model(frozen=True), FeatureCache(tmp_path), list[tuple[str, int, int]]()
    preparing = verifiers(towers, cache, CPU, lambda *given: told.append(given))
    load_cases(Pictures(), verifiers=preparing, prepared=["test"])
    assert told[-1] == ("image", 4, 4)
    assert sorted(DECODED, key=int) == [str(number) for number in range(12)]


def test_without_anything_to_keep_images_are_decoded_to_verify_them(tmp_path: Path) -> None:
    assert verifiers(model(frozen=False), FeatureCache(tmp_path), CPU) == {}
    assert verifiers(model(frozen=True), None, CPU) == {}
    loaded(None, frozen=False)
    assert len(DECODED) == 12


@pytest.mark.parametrize(("frozen", "keep_images"), [(True, False), (False, True), (False, False)])
def test_broken_images_are_counted_the_same_however_they_are_found(
    tmp_path: Path, frozen: bool, keep_images: bool
) -> None:
    source, checks = Pictures(frozenset({2, 9})), Checks(on_error="skip", max_skipped=0.5)
    cases, split = loaded(tmp_path, frozen, keep_images, source, checks)
    assert cases.counts == {"image unreadable": 2}
    assert [row.where for row in cases.skipped] == ["case '2'", "case '9'"]
    assert all("cannot be opened (no pixels)" in row.message for row in cases.skipped)
    assert [case.id for case in split.cases] == ["0", "1", "3", "4", "5", "6", "7"]
    kept = split.views["image"].features if frozen else split.views["image"].inputs
    assert kept is None or len(kept) == 7
    assert (kept is None) == (not frozen and not keep_images)


def test_features_beside_a_broken_image_are_those_of_the_images(tmp_path: Path) -> None:
    source, checks = Pictures(frozenset({2})), Checks(on_error="skip", max_skipped=0.5)
    _, beside = loaded(tmp_path / "a", True, source=source, checks=checks)
    _, alone = loaded(tmp_path / "b", True)
    whole, part = alone.views["image"].features, beside.views["image"].features
    assert whole is not None
    assert part is not None
    torch.testing.assert_close(part, whole[[0, 1, 3, 4, 5, 6, 7]], atol=1e-6, rtol=0)
