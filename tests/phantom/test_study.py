from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from closegap.phantom.catalogue import COUNTS, DEVICE_SIDES, FINDINGS, KINDS, VIEWS
from closegap.phantom.draw import Draw
from closegap.phantom.study import Study, draw_study

STUDIES = [draw_study(7, index) for index in range(3000)]


def test_draws_are_the_raw_bits_of_pcg64() -> None:
    # frozen once: NumPy promises SeedSequence and PCG64's raw stream
    draw = Draw(3, 5, "anything")
    key = int.from_bytes(b"anything", "little")
    raw = np.random.PCG64(np.random.SeedSequence(3, spawn_key=(5, key)))
    first, second, third = (int(raw.random_raw()) for _ in range(3))
    assert draw.uniform() == (first >> 11) / 2**53
    assert draw.pick("abcdefg") == "abcdefg"[(second >> 32) * 7 // 2**32]
    assert draw.chance(0.5) == ((third >> 11) / 2**53 < 0.5)
    assert Draw(0, 0, "frozen").uniform() == pytest.approx(0.8959293404274962, abs=0)


def test_streams_differ_by_seed_index_and_purpose() -> None:
    values = {Draw(*key).uniform() for key in ((0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b"))}
    assert len(values) == 4


@given(st.integers(0, 2**64), st.integers(0, 10**9))
def test_draws_stay_in_range(seed: int, index: int) -> None:
    draw = Draw(seed, index, "range")
    assert 0.0 <= draw.uniform() < 1.0
    assert 2.0 <= draw.bell(3.0, 1.0) <= 4.0
    assert draw.weighted({"never": 0.0, "always": 1.0}) == "always"
    assert sorted(draw.shuffled(range(9))) == list(range(9))


def test_weighted_draws_follow_their_weights() -> None:
    draw = Draw(0, 0, "weights")
    counts = Counter(draw.weighted({"a": 1.0, "b": 3.0}) for _ in range(4000))
    assert counts["b"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_noise_has_mean_0_and_variance_1() -> None:
    noise = Draw(0, 0, "grain").grain(200, 200)
    assert noise.dtype == np.float32
    assert float(noise.mean()) == pytest.approx(0.0, abs=0.02)
    assert float(noise.var()) == pytest.approx(1.0, abs=0.03)
    values = Draw(0, 0, "lattice").lattice(100, 100)
    assert values.dtype == np.float32
    assert -1.0 <= values.min() < -0.99
    assert 0.99 < values.max() < 1.0


def test_a_study_needs_no_other_study() -> None:
    backwards = {index: draw_study(7, index) for index in range(200, -1, -1)}
    assert all(backwards[index] == STUDIES[index] for index in backwards)
    assert draw_study(8, 0) != STUDIES[0]


def test_exclusions_are_mutual() -> None:
    for kind in FINDINGS:
        for other in kind.never_with:
            assert kind.name in KINDS[other].never_with, (kind.name, other)


def test_studies_obey_the_catalogue() -> None:
    order = [kind.name for kind in FINDINGS]
    for study in STUDIES:
        names = [found.name for found in study.findings]
        assert len(names) <= max(COUNTS)
        assert names == sorted(set(names), key=order.index)
        assert study.main == (names[0] if names else "normal")
        for found in study.findings:
            kind = KINDS[found.name]
            assert kind.lateral or study.view != "lateral"
            assert not kind.never_with & set(names)
            for value, options in ((found.side, kind.sides), (found.zone, kind.zones), (found.size, kind.sizes)):
                assert value in options if options else value is None
        for device in study.devices:
            assert (device.side in DEVICE_SIDES[device.name]) == bool(DEVICE_SIDES[device.name])


def test_nothing_hides_behind_fluid_or_another_lesion() -> None:
    spots = ("consolidation", "nodule", "mass", "atelectasis")
    for study in STUDIES:
        taken = [(f.side, f.zone) for f in study.findings if f.name in spots]
        assert len(taken) == len(set(taken))
        effusion = study.finding("pleural_effusion")
        if effusion is not None and effusion.size == "large":
            assert not [side for side, _ in taken if effusion.side in (side, "bilateral")]


def test_every_finding_side_size_view_and_device_occurs() -> None:
    concepts = Counter(concept for study in STUDIES for concept in study.concepts())
    expected = {"normal", *KINDS, *DEVICE_SIDES}
    for kind in FINDINGS:
        for attribute, options in (("side", kind.sides), ("zone", kind.zones), ("size", kind.sizes)):
            expected |= {f"{kind.name}.{attribute}={value}" for value in options}
    for name, sides in DEVICE_SIDES.items():
        expected |= {f"{name}.side={side}" for side in sides}
    assert set(concepts) == expected
    views = Counter(study.view for study in STUDIES)
    assert all(views[view] / len(STUDIES) == pytest.approx(VIEWS[view] / 100, abs=0.04) for view in VIEWS)
    assert concepts["normal"] / len(STUDIES) == pytest.approx(0.25, abs=0.03)
    assert min(Counter(study.main for study in STUDIES).values()) > 0.01 * len(STUDIES)


def test_concepts_name_attributes() -> None:
    study = next(s for s in STUDIES if s.main == "nodule")
    nodule = study.findings[0]
    assert {"nodule", f"nodule.side={nodule.side}", f"nodule.size={nodule.size}"} <= set(study.concepts())
    assert Study(0, 0, "pa", "male", "slim").concepts() == ("normal",)
