import hashlib
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from jaxtyping import Float64
from PIL import Image

from closegap.kinds.image_source import ImageSource
from closegap.phantom.catalogue import DEVICE_SIDES, FINDINGS, KINDS, Sign
from closegap.phantom.image import RENDERER, PhantomImage, render
from closegap.phantom.raster import Grid, along, line_distance, ramp, stroke
from closegap.phantom.study import Finding, Study, draw_study

DIGEST_ELSEWHERE = """
import hashlib
from closegap.phantom.image import render
from closegap.phantom.study import draw_study
pixels = b"".join(render(draw_study(0, index), 64).tobytes() for index in range(40))
print(hashlib.blake2b(pixels, digest_size=8).hexdigest())
"""
Change = Float64[np.ndarray, "size size"]
LOCAL = ("nodule", "mass", "consolidation", "atelectasis", "rib_fracture", "hilar_enlargement")


def every_finding(name: str) -> Iterator[Finding]:
    kind = KINDS[name]
    for side in kind.sides or [None]:
        for zone in kind.zones or [None]:
            for size in kind.sizes or [None]:
                yield Finding(name, side, zone, size)


def change(found: Finding, view: str = "pa", size: int = 128, index: int = 0) -> Change:
    """What adding a finding or a device changes, in grey values."""
    without = Study(0, index, view, "male", "average")
    key = "devices" if found.name in DEVICE_SIDES else "findings"
    changed = replace(without, **{key: (found,)})  # type: ignore[arg-type]
    difference: Change = np.abs(render(changed, size).astype(float) - render(without, size))
    return difference


def share_on(side: str, changed: Change) -> float:
    """Share of the change on the patient's left or right: the right is at the image's left."""
    half = changed.shape[1] // 2
    return float((changed[:, half:] if side == "left" else changed[:, :half]).sum() / changed.sum())


def height(changed: Change) -> float:
    """Where the change lies on average: 0 at the top, 1 at the bottom."""
    rows = changed.sum(axis=1)
    return float((rows * (np.arange(len(rows)) + 0.5)).sum() / rows.sum() / len(rows))


@pytest.mark.parametrize(
    ("size", "digest"), [(64, "1eeb9253b8b87211"), (128, "28819ef52c91bc17"), (97, "2834c5dd925a2a43")]
)
def test_frozen_pixels(size: int, digest: str) -> None:
    pixels = b"".join(render(draw_study(0, index), size).tobytes() for index in range(40))
    assert hashlib.blake2b(pixels, digest_size=8).hexdigest() == digest, "raise RENDERER when the pixels change"
    assert RENDERER == 1


def test_another_process_draws_the_same_pixels() -> None:
    done = subprocess.run([sys.executable, "-c", DIGEST_ELSEWHERE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1eeb9253b8b87211"


def test_order_does_not_matter() -> None:
    forwards = [render(draw_study(1, index), 48) for index in range(6)]
    backwards = [render(draw_study(1, index), 48) for index in range(5, -1, -1)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, backwards, strict=True))


def test_images_are_lazy_sources() -> None:
    image = PhantomImage(draw_study(0, 3), 80)
    assert isinstance(image, ImageSource)
    assert pickle.loads(pickle.dumps(image)) == image  # noqa: S301
    opened = image.open()
    assert isinstance(opened, Image.Image)
    assert (opened.mode, opened.size) == ("L", (80, 80))
    assert np.array_equal(np.asarray(opened), render(image.study, 80))


def test_fingerprints_differ_wherever_pixels_do() -> None:
    study = Study(0, 0, "pa", "male", "average", (Finding("nodule", "left", "mid", "20 mm"),))
    changed = [
        replace(study, seed=1),
        replace(study, index=1),
        replace(study, view="ap"),
        replace(study, sex="female"),
        replace(study, habitus="slim"),
        replace(study, findings=(Finding("nodule", "left", "mid", "25 mm"),)),
        replace(study, devices=(Finding("pacemaker", "left"),)),
    ]
    images = [PhantomImage(study, 64), PhantomImage(study, 65), *(PhantomImage(other, 64) for other in changed)]
    assert len({image.fingerprint() for image in images}) == len(images)
    assert len({image.open().tobytes() for image in images}) == len(images)
    assert PhantomImage(study, 64).fingerprint() == images[0].fingerprint()


def test_exposure_leaves_black_and_white_unclipped() -> None:
    for index in range(20):
        pixels = render(draw_study(2, index), 64)
        assert np.mean(pixels == 255) < 0.08
        assert pixels.std() > 30


@pytest.mark.parametrize("size", [96, 128])
@pytest.mark.parametrize("name", [*KINDS, *DEVICE_SIDES])
def test_everything_is_visible(name: str, size: int) -> None:
    options = every_finding(name) if name in KINDS else [Finding(name, side) for side in DEVICE_SIDES[name] or [None]]
    for found in options:
        for view in ("pa", "lateral") if name in KINDS and KINDS[name].lateral else ("pa",):
            changed = change(found, view, size)
            # the noise of a pixel has a standard deviation of about 4 grey values
            assert np.sum(changed > 16) >= 4, (found, view)


@pytest.mark.parametrize("kind", [kind for kind in FINDINGS if not kind.lateral], ids=lambda kind: kind.name)
def test_what_a_lateral_view_cannot_show_is_not_in_it(kind: Sign) -> None:
    assert all(not change(found, "lateral", 48).any() for found in every_finding(kind.name))


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("name", [*LOCAL, "pleural_effusion", "pneumothorax"])
def test_findings_are_on_their_side(name: str, index: int) -> None:
    for found in every_finding(name):
        if found.side == "bilateral":
            assert 0.3 < share_on("left", change(found, index=index)) < 0.7, found
        elif found.size != "large":  # large ones push the heart to the other side
            assert share_on(str(found.side), change(found, index=index)) > 0.9, found


@pytest.mark.parametrize("name", ["central_line", "pacemaker", "chest_tube"])
def test_devices_are_on_their_side(name: str) -> None:
    shares = {side: share_on(side, change(Finding(name, side))) for side in ("left", "right")}
    assert min(shares.values()) > (0.5 if name == "pacemaker" else 0.45)
    assert share_on("left", change(Finding(name, "left"))) > share_on("left", change(Finding(name, "right"))) + 0.1


@pytest.mark.parametrize("name", [kind.name for kind in FINDINGS if len(kind.zones) > 1])
def test_findings_are_in_their_zone(name: str) -> None:
    for side in KINDS[name].sides or [None]:
        for index in range(3):
            size = next(iter(KINDS[name].sizes), None)
            heights = [height(change(Finding(name, side, zone, size), index=index)) for zone in KINDS[name].zones]
            assert heights == sorted(heights), (side, index)
            assert all(b - a > 0.05 for a, b in pairwise(heights))


@pytest.mark.parametrize("name", [kind.name for kind in FINDINGS if kind.sizes])
def test_larger_findings_change_more(name: str) -> None:
    kind = KINDS[name]
    side, zone = next(iter(kind.sides), None), next(iter(kind.zones), None)
    for view in ("pa", "lateral") if kind.lateral else ("pa",):
        sums = [change(Finding(name, side, zone, size), view).sum() for size in kind.sizes]
        assert sums == sorted(sums), view


def test_free_air_is_dark_and_under_the_diaphragm() -> None:
    without, found = Study(0, 0, "pa", "male", "average"), Finding("free_air")
    before, after = (render(study, 128).astype(int) for study in (without, replace(without, findings=(found,))))
    places = np.argwhere(before - after > 40)
    assert len(places) > 20
    assert not np.any(after - before > 10)
    assert 0.6 < places[:, 0].mean() / 128 < 0.85


def test_scoliosis_bends_to_its_side() -> None:
    for side, direction in (("left", 1), ("right", -1)):
        without = Study(0, 0, "pa", "male", "average")
        bent = replace(without, findings=(Finding("scoliosis", side, None, "severe"),))
        rows = slice(100, 122)  # below the diaphragm only the spine differs
        middle = slice(40, 75)
        gain = render(bent, 128).astype(int) - render(without, 128).astype(int)
        columns = np.arange(128) - 64
        shift = float((np.clip(gain[middle], 0, None) * columns).sum() / np.clip(gain[middle], 1e-9, None).sum())
        assert np.sign(shift) == direction
        assert np.abs(gain[rows]).sum() > 0


def test_sex_habitus_and_view_show() -> None:
    plain = Study(0, 0, "pa", "male", "average")
    for other in (replace(plain, sex="female"), replace(plain, habitus="large"), replace(plain, view="ap")):
        assert np.mean(np.abs(render(other, 96).astype(int) - render(plain, 96).astype(int)) > 16) > 0.02


def test_windows_leave_no_seams() -> None:
    grid = Grid.tilted(90, 0.04, 1.1, 0.05, -0.03)
    points = [(-0.5, -0.2), (0.1, 0.3), (0.4, 0.25)]
    whole = ramp(0.02 - line_distance(grid, points), 0.03)
    assert np.array_equal(along(grid, points, 0.05, lambda _, away: ramp(0.02 - away, 0.03)), whole)
    assert not along(grid, [(3.0, 3.0), (4.0, 4.0)], 0.05, lambda _, away: away + 1.0).any()
    assert stroke(grid, points, 0.001).max() > 0.2


def test_grids_turn_without_stretching() -> None:
    grid = Grid.tilted(64, 0.05, 1.0, 0.0, 0.0)
    steps = np.sqrt(np.diff(grid.x, axis=1) ** 2 + np.diff(grid.y, axis=1) ** 2)
    assert steps == pytest.approx(np.full_like(steps, 2 / 64), rel=1e-4)
    assert grid.x.dtype == grid.y.dtype == np.float32
