"""Shards hold the cases they were written from, and are read one image at a time."""

import tarfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from closegap.cli import main
from closegap.data import Case, Shards, load_cases, write_shards
from closegap.data.loader import GlobalBatches
from closegap.data.orders import shuffled
from closegap.errors import DataError
from closegap.infer.features import FeatureCache
from closegap.kinds import CodesKind, ImageKind, Kind, RecordKind, TextKind
from closegap.kinds.decoding import load_image
from closegap.kinds.stored import Stored
from closegap.kinds.stored_image import StoredImage
from closegap.models import SmallImageEncoder
from closegap.phantom import Phantoms
from closegap.testing import check_source

KINDS: Mapping[str, Kind] = {
    "image": ImageKind(),
    "report": TextKind(),
    "codes": CodesKind(),
    "record": RecordKind(),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    names = [folder / f"{i}.{'jpg' if i % 2 else 'png'}" for i in range(6)]
    for name in names:
        Image.fromarray(random.integers(0, 255, (40, 30, 3), dtype=np.uint8)).save(name)
    return names


@pytest.fixture
def cases(files: Sequence[Path]) -> list[Case]:
    return [
        Case(
            f"c{i}",
            "train",
            f"g{i // 2}",
            {"image": tuple(files[: 1 + i % 2]) if i < 2 else (files[i],), "report": ("a", "b"), "codes": (("X", "Y"),)}
            | ({"record": ({"age": 3.5, "sex": None},)} if i else {}),
            {"organ": "lung"},
            ("C1",) if i else (),
        )
        for i in range(6)
    ]


def test_cases_come_back_as_they_were(cases: list[Case], tmp_path: Path) -> None:
    number = write_shards(cases, KINDS, tmp_path / "shards", shard_bytes=6000)
    assert number == len(list((tmp_path / "shards").glob("*.tar"))) > 1
    found = load_cases(Shards(tmp_path / "shards")).split("train")
    assert Shards(tmp_path / "shards").modalities == ("image", "report", "codes", "record")
    for before, after in zip(cases, found, strict=True):
        assert (after.id, after.group, after.labels, after.concepts) == (
            before.id,
            before.group,
            before.labels,
            before.concepts,
        )
        rest = {name: items for name, items in before.views.items() if name != "image"}
        assert {name: items for name, items in after.views.items() if name != "image"} == rest
        for file, image in zip(before.views["image"], after.views["image"], strict=True):
            assert image.content() == file.read_bytes()
            for at_least in (None, 4):
                assert np.array_equal(np.asarray(load_image(image, at_least)), np.asarray(load_image(file, at_least)))
    fingerprints = [image.fingerprint() for case in found for image in case.views["image"]]
    assert len(set(fingerprints)) == 6


def test_archives_are_plain_tar(cases: list[Case], tmp_path: Path) -> None:
    write_shards(cases, {"image": ImageKind()}, tmp_path / "shards")
    with tarfile.open(tmp_path / "shards" / "000000.tar") as archive:
        members = archive.getmembers()
        assert [member.name for member in members][:3] == [
            "000000000.image.0.png",
            "000000001.image.0.png",
            "000000001.image.1.jpg",
        ]
    (image, *_), *_ = (case.views["image"] for case in load_cases(Shards(tmp_path / "shards")).split("train"))
    assert (image.stored.offset, image.stored.size) == (members[0].offset_data, members[0].size)


def test_rendered_images_become_files(tmp_path: Path) -> None:
    source = Phantoms(cases=4, size=32)
    cases = [case for split in load_cases(source).splits.values() for case in split]
    write_shards(cases, source.kinds, tmp_path / "shards")
    splits = load_cases(Shards(tmp_path / "shards")).splits
    found = {case.id: case for split in splits.values() for case in split}
    for case in cases:
        before, after = (np.asarray(load_image(one.views["image"][0])) for one in (case, found[case.id]))
        assert np.array_equal(before, after)


def test_damage_is_said(cases: list[Case], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no index of shards"):
        list(Shards(tmp_path).rows())
    write_shards(cases, {"image": ImageKind()}, tmp_path / "shards")
    image = load_cases(Shards(tmp_path / "shards")).split("train")[-1].views["image"][0]
    with (tmp_path / "shards" / "000000.tar").open("r+b") as archive:
        archive.truncate(image.stored.offset + 1)
    with pytest.raises(DataError, match="ends before byte"):
        image.content()


def test_another_image_than_the_index_says_is_refused(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))
    shards = tmp_path / "shards"
    write_shards(cases, {"image": ImageKind()}, shards)
    image = load_cases(Shards(shards)).split("train")[-1].views["image"][0]
    with (shards / "000000.tar").open("r+b") as archive:
        archive.seek(image.stored.offset + image.stored.size - 20)
        archive.write(b"\0\1\2")
    with pytest.raises(DataError, match="not what its index says; copy the shards again") as caught:
        load_cases(Shards(shards))
    assert "\n" not in str(caught.value)


def test_shards_that_lie_do_not_reach_the_cache_of_features(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every image claims the digest of another; what is computed from them would be found for those."""
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    cpu, tower = torch.device("cpu"), SmallImageEncoder(16, (8, 16), 2).requires_grad_(False)
    shards = tmp_path / "shards"
    write_shards(cases, {"image": ImageKind()}, shards)
    sound = [item for case in load_cases(Shards(shards)).split("train") for item in case.views["image"]]
    sound = list(dict.fromkeys(sound))
    expected = FeatureCache(tmp_path / "clean").features(tower, sound, cpu)
    others = sound[1:] + sound[:1]
    lies = [
        StoredImage(replace(item.stored, content_digest=other.stored.content_digest))
        for item, other in zip(sound, others, strict=True)
    ]
    shared = FeatureCache(tmp_path / "shared")
    for item in lies:
        with suppress(DataError):
            shared.features(tower, [item], cpu)
    with pytest.raises(DataError, match="not what its index says"):
        lies[-1].content()
    torch.testing.assert_close(shared.features(tower, sound, cpu), expected)


INDICES: list[tuple[Mapping[str, Any], str]] = [
    ({"views": "[" * 200_000}, "RecursionError"),
    ({"views": "5"}, "AttributeError"),
    ({"views": '{"image": [[0, 0, 10, 5]]}'}, "is no place in an archive"),
    ({"views": '{"image": [["../../x", 0, 10, "d"]]}'}, "is no place in an archive"),
    ({"views": '{"image": [[0, -5, 10, "d"]]}'}, "is no place in an archive"),
    ({"views": '{"image": [[0, 0]]}'}, "ValueError"),
    ({"views": '{"other": [[0, 0, 1, "d"]]}'}, "KeyError"),
    ({"labels": '{"organ": 5}'}, "expected texts"),
    ({"id": None}, "expected texts"),
    ({"concepts": None}, "TypeError"),
]


@pytest.mark.parametrize(("change", "message"), INDICES)
def test_an_index_that_makes_no_sense_is_one_line(
    cases: list[Case], tmp_path: Path, change: Mapping[str, Any], message: str
) -> None:
    write_shards(cases, {"image": ImageKind()}, tmp_path / "shards")
    index = tmp_path / "shards" / "cases.parquet"
    table = pq.read_table(index)
    rows = [{**row, **change} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), index)
    with pytest.raises(DataError, match=rf"cases\.parquet: row 0 .*{message}") as caught:
        load_cases(Shards(tmp_path / "shards"))
    assert "\n" not in str(caught.value)


def test_more_than_an_archive_holds_is_not_read(cases: list[Case], tmp_path: Path) -> None:
    write_shards(cases, {"image": ImageKind()}, tmp_path / "shards")
    with pytest.raises(DataError, match="ends before byte"):
        Stored(tmp_path / "shards" / "000000.tar", 0, 2**50, "").content()


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))
    words = ["shard", "--data", "closegap.phantom.Phantoms", "--data.cases", "6", "--data.size", "32"]
    assert main([*words, "--out", str(tmp_path / "shards")]) == 0
    assert "6 cases in 1 archives" in capsys.readouterr().out
    assert main([*words, "--out", str(tmp_path / "shards")]) == 2
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize("window", [1, 40, 64, 97, 1000])
def test_a_window_reads_neighbours_together(window: int) -> None:
    order = shuffled(500, 0, window)
    batches = GlobalBatches(500, 10, 100, order)
    drawn = list(batches)
    for epoch in (0, 1):
        assert sorted(case for batch in drawn[50 * epoch : 50 * epoch + 50] for _, case in batch) == list(range(500))
    assert drawn[:50] != drawn[50:]
    assert list(GlobalBatches(500, 10, 100, order, start=37)) == drawn[37:]
    halves = [list(GlobalBatches(500, 10, 100, order, rank=rank, world_size=2)) for rank in (0, 1)]
    assert [a + b for a, b in zip(*halves, strict=True)] == drawn
    if window == 64:
        places = torch.tensor([case for batch in drawn[:50] for _, case in batch])
        blocks = [len((places[start : start + 64] // 2).unique()) for start in range(0, 448, 64)]  # type: ignore[no-untyped-call]
        assert blocks == [32] * 7
        assert not torch.equal(places.sort().values, places)


def test_it_holds_to_what_every_source_must(cases: list[Case], tmp_path: Path) -> None:
    write_shards(cases, KINDS, tmp_path / "shards", shard_bytes=6000)
    check_source(Shards(tmp_path / "shards"))
