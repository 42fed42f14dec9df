"""What an archive consists of: ids, what filters know, what is shown, what is re-linked, what it says of itself."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.search.archives import built, embedded

from closegap.errors import ClosegapError, DataError, UsageError
from closegap.kinds import ImageKind, TextKind
from closegap.search import Archive, Corrections, Part, Query
from closegap.search.archive.about import ABOUT, About
from closegap.search.archive.feed import payload, row_id
from closegap.search.archive.gate import Gate, Relinked, relinked
from closegap.search.archive.reference import archived_set
from closegap.search.archive.shown import media_type, shown


@given(st.lists(st.tuples(st.text("a#01", min_size=1, max_size=5), st.integers(0, 12)), max_size=30, unique=True))
def test_no_two_views_share_an_id(views: list[tuple[str, int]]) -> None:
    assert len({row_id(case, view) for case, view in views}) == len(views)


def test_what_is_missing_or_cannot_be_kept_is_left_out() -> None:
    known = {"age": 61, "weight": float("nan"), "case": "x", 'a"b': 1, "": 2, "note": "a\0b", "sex": ""}
    found = payload("test", {"finding": "effusion", "split": "mine", "none": ""}, ("C1",), known)
    assert found == {"split": "test", "concepts": ["C1"], "finding": "effusion", "age": 61}


def test_a_text_is_shown_as_it_is_and_a_picture_small(tmp_path: Path) -> None:
    assert shown(TextKind(), "No  effusion.\n", pictures=False) == b"No effusion."
    Image.new("RGB", (500, 300)).save(tmp_path / "a.png")
    assert shown(ImageKind(), tmp_path / "a.png", pictures=False) == b""
    picture = shown(ImageKind(), tmp_path / "a.png", pictures=True)
    assert media_type(picture, visual=True) == "image/jpeg"
    (tmp_path / "a.jpg").write_bytes(picture)
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.size == (200, 120)


def test_relinkage_is_counted_as_by_hand() -> None:
    embeddings = embedded()
    found = {one.pair: one for one in relinked([embeddings])}
    seen: dict[str, dict[str, torch.Tensor]] = {name: {} for name in embeddings.modalities}
    for name in embeddings.modalities:
        for row in embeddings.mask(name).nonzero()[:, 0].tolist():
            seen[name].setdefault(embeddings.ids[row], embeddings.embeddings[name][row].double())
    for pair in (("image", "report"), ("image", "record"), ("report", "record")):
        cases = sorted(seen[pair[0]].keys() & seen[pair[1]].keys())
        x, y = (torch.stack([seen[name][case] for case in cases]) for name in pair)
        own = torch.arange(len(cases))
        rate = ((x @ y.T).argmax(1) == own).double().mean() / 2 + ((y @ x.T).argmax(1) == own).double().mean() / 2
        assert found[pair].rate == pytest.approx(float(rate), abs=1e-9)
        assert (found[pair].cases, found[pair].chance) == (len(cases), 1 / len(cases))


def test_the_gate_tells_before_it_refuses(tmp_path: Path) -> None:
    told: list[Relinked] = []
    with Archive(built(tmp_path / "a")) as archive:
        gate = Gate(0.01, told=told.append)
        with pytest.raises(ClosegapError, match=r"above the limit of 1\.0%: nothing is published"):
            gate.expect(archive.index, archive.modalities, Corrections())
        assert len(told) == 3
        Gate(0.01, accepted=True).expect(archive.index, archive.modalities, Corrections())
        Gate(1.0).expect(archive.index, archive.modalities, Corrections())
        Gate(None).expect(archive.index, ["none"], Corrections())


def test_an_archive_gives_back_the_set_that_it_was_built_from(tmp_path: Path) -> None:
    embeddings = embedded()
    with Archive(built(tmp_path / "a", embeddings)) as archive:
        found = archived_set(archive.index, archive.modalities, archive.about.labels)
    assert list(found.ids) == list(embeddings.ids)
    assert (found.groups, found.labels) == (embeddings.groups, embeddings.labels)
    for name in embeddings.modalities:
        there = embeddings.mask(name)
        assert torch.equal(found.mask(name), there)
        assert torch.equal(found.embeddings[name][there], embeddings.embeddings[name][there])


@pytest.mark.parametrize(
    ("said", "message"),
    [("{", "damaged"), ('{"format": 2}', "not of this version"), ('{"format": 1}', "damaged"), ("[]", "damaged")],
)
def test_a_damaged_archive_is_refused_in_a_line(tmp_path: Path, said: str, message: str) -> None:
    (tmp_path / ABOUT).write_text(said)
    with pytest.raises(DataError, match=message):
        About.read(tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Query([]), "nothing is asked for"),
        (lambda: Query([Part.text("a", weight=-1)]), "nothing is asked for"),
        (lambda: Query("a", k=0), "k: 0 given"),
        (lambda: Query("a", quotas={"image": 0}), "quota of image: 0 given"),
        (lambda: Query("a", within="image"), "put it into one"),
        (lambda: Query("a", merge=cast(Any, "raw")), "expected 'corrected' or 'cosine'"),
        (lambda: Query("a", alpha=1.0), "alpha 1 given"),
        (lambda: Part.text("a", weight=0), "weight 0 given"),
        (lambda: Part.text("a", weight=float("nan")), "weight nan given"),
    ],
)
def test_a_question_that_is_none_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(UsageError, match=message):
        make()
