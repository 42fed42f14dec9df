"""The captions that are read beside an embedding, against a naive search; their file."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from closegap.caption import neighbours as module
from closegap.caption.neighbours import NEIGHBOURS, Neighbours, group_digests
from closegap.errors import DataError, UsageError
from closegap.sealed import save_sealed

GROUPS = [f"article {number // 3}" for number in range(12)]


def captions(count: int = 4) -> Neighbours:
    random = torch.Generator().manual_seed(3)
    return Neighbours(normalize(torch.randn(12, 6, generator=random), dim=1), group_digests(GROUPS), count)


@pytest.mark.parametrize("at_once", [1024, 2])
def test_each_query_stands_before_its_nearest_captions_of_other_groups(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_QUERIES", at_once)
    held = captions()
    queries = normalize(held.embeddings[[0, 4, 11, 7]] + 0.1, dim=1)
    own = ["article 0", "article 1", "article 3", "of nobody here"]
    found = held.beside(queries, group_digests(own)).reshape(4, 5, 6)
    for query, group, row in zip(queries.double(), own, found, strict=True):
        others = [number for number in range(12) if GROUPS[number] != group]
        others.sort(key=lambda number: -float(query @ held.embeddings[number].double()))
        torch.testing.assert_close(row, torch.stack([query.float(), *held.embeddings[others[:4]]]))
    assert held.beside(queries[:0], group_digests([])).shape == (0, 30)


def test_digests_name_groups_alike_everywhere() -> None:
    found = group_digests(["a", "b", "a"])
    assert found[0] == found[2] != found[1]
    assert found[:1].tolist() == group_digests(["a"]).tolist() == [3405396810240292928]


def test_more_neighbours_than_there_are_outside_a_group_are_refused() -> None:
    assert captions(9).count == 9
    with pytest.raises(
        UsageError, match=r"objective\.neighbours: 10 given, but outside the largest group there are only 9 training"
    ):
        captions(10)


def test_the_file_gives_them_back_and_shows_damage(tmp_path: Path) -> None:
    held = captions()
    held.save(tmp_path)
    written = (tmp_path / NEIGHBOURS).read_bytes()
    held.save(tmp_path)
    loaded = Neighbours.load(tmp_path, 4)
    assert torch.equal(loaded.embeddings, held.embeddings)
    assert torch.equal(loaded.groups, held.groups)
    assert b"article" not in written
    (tmp_path / NEIGHBOURS).write_bytes(written[:-1] + bytes([written[-1] ^ 1]))
    with pytest.raises(DataError, match=r"neighbours\.safetensors: damaged .*; copy it from where the run was trained"):
        Neighbours.load(tmp_path, 4)
    save_sealed(tmp_path / NEIGHBOURS, {"embeddings": held.embeddings}, "closegap_posthoc", {"format": 1})
    with pytest.raises(DataError, match="no training captions of this version"):
        Neighbours.load(tmp_path, 4)
    (tmp_path / NEIGHBOURS).unlink()
    with pytest.raises(DataError, match=r"neighbours\.safetensors: no such file"):
        Neighbours.load(tmp_path, 4)
