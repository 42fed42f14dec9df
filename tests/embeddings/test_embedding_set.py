"""A set from arrays in memory, and as a file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from closegap import audit
from closegap.embeddings import EmbeddingSet, embedding_set_from_arrays, load_array, read_column, read_concepts
from closegap.embeddings.embedding_set import NOTES, ROW_NUMBERED
from closegap.errors import DataError, UsageError
from closegap.posthoc import Center

ROWS = np.random.default_rng(0).normal(size=(2, 12, 4))
UNIT = ROWS / np.linalg.norm(ROWS, axis=2, keepdims=True)


def test_arrays_and_tensors_of_any_precision_become_one_set() -> None:
    found = EmbeddingSet.from_arrays(
        image=UNIT[0], text=torch.from_numpy(UNIT[1]).half().requires_grad_(), labels={"organ": range(12)}
    )
    assert found.modalities == ("image", "text")
    assert {rows.dtype for rows in found.embeddings.values()} == {torch.float32}
    assert not found.embeddings["text"].requires_grad
    torch.testing.assert_close(found.embeddings["image"], torch.from_numpy(UNIT[0]).float())
    torch.testing.assert_close(found.embeddings["text"].norm(dim=1), torch.ones(12))
    assert list(found.ids) == [str(row) for row in range(12)]
    assert found.labels["organ"][3] == "3"
    assert dict(found.meta) == {ROW_NUMBERED: True}


def test_rows_are_normalised_and_the_report_says_so() -> None:
    found = EmbeddingSet.from_arrays(image=3 * UNIT[0], text=UNIT[1])
    torch.testing.assert_close(found.embeddings["image"], torch.from_numpy(UNIT[0]).float())
    (note,) = found.meta[NOTES]
    assert note.startswith("image: 12 of 12 rows were not unit-norm")
    assert note in audit(found, resamples=5).data["notes"]


def test_memory_and_files_give_the_same_set(tmp_path: Path) -> None:
    paths = [tmp_path / "image.npy", tmp_path / "text.npy"]
    for path, rows in zip(paths, ROWS, strict=True):
        np.save(path, rows)
    from_files, _ = embedding_set_from_arrays([str(path) for path in paths])
    in_memory = EmbeddingSet.from_arrays(image=ROWS[0], text=ROWS[1])
    for name, rows in from_files.embeddings.items():
        assert torch.equal(in_memory.embeddings[name], rows)
    assert in_memory.ids == from_files.ids


def test_row_numbers_are_no_cases_and_ids_are() -> None:
    train, test = (EmbeddingSet.from_arrays(image=rows[0], text=rows[1]) for rows in (UNIT, UNIT[:, ::-1].copy() * -1))
    Center().fit(train).apply(test)  # the same numbers, other rows
    named = EmbeddingSet.from_arrays(ids=range(100, 112), groups=["p"] * 12, image=UNIT[0], text=UNIT[1])
    assert named.ids[0] == "100"
    assert named.groups == ["p"] * 12
    assert ROW_NUMBERED not in named.meta
    with pytest.raises(UsageError, match="12 of 12 rows were fitted on"):
        Center().fit(named).apply(named)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (UNIT[0][0], r"text: shape \(4,\); expected two dimensions"),
        (np.arange(48).reshape(12, 4), "text: dtype int64; expected float16"),
        (np.where(np.arange(12)[:, None] == 5, np.nan, UNIT[0]), "text: row 5 holds NaN"),
        (np.zeros((12, 4)), r"text: row 0 is zero \(12 such rows: 0, 1, 2, 3, 4, \.\.\.\)"),
        (UNIT[0][:7], "embeddings of text: 7 rows, expected 12"),
    ],
)
def test_what_cannot_be_a_modality_is_named(rows: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        EmbeddingSet.from_arrays(image=UNIT[0], text=rows)


def test_modalities_of_different_width_are_kept_but_are_no_space() -> None:
    narrow = UNIT[0][:, :3] / np.linalg.norm(UNIT[0][:, :3], axis=1, keepdims=True)
    both = EmbeddingSet.from_arrays(image=UNIT[0], text=narrow)
    assert repr(both) == "EmbeddingSet(12 rows: image 4, text 3)"
    with pytest.raises(DataError, match=r"differ in width \(image 4, text 3\), so they are not in one space; map them"):
        _ = both.width
    assert EmbeddingSet.from_arrays(image=UNIT[0], text=UNIT[0]).width == 4


def test_it_introduces_itself_in_a_line() -> None:
    rows = normalize(torch.randn(1185, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    assert repr(EmbeddingSet.from_arrays(image=rows, text=rows)) == "EmbeddingSet(1,185 rows: image 8, text 8)"


def test_paths_may_be_text(tmp_path: Path) -> None:
    found = EmbeddingSet.from_arrays(image=UNIT[0], text=UNIT[1])
    found.save(f"{tmp_path}/set.safetensors")
    loaded = EmbeddingSet.load(f"{tmp_path}/set.safetensors")
    assert torch.equal(loaded.embeddings["text"], found.embeddings["text"])
    with pytest.raises(DataError, match=r"absent\.safetensors: no such file"):
        EmbeddingSet.load(f"{tmp_path}/absent.safetensors")
    np.savez(tmp_path / "both.npz", image=UNIT[0], text=UNIT[1])
    assert load_array(f"{tmp_path}/both.npz:image").shape == (12, 4)
    (tmp_path / "labels.csv").write_text("organ,cui\nlung,C1;C2\n")
    assert read_column(f"{tmp_path}/labels.csv:organ") == ["lung"]
    assert read_concepts(f"{tmp_path}/labels.csv:cui") == [("C1", "C2")]
