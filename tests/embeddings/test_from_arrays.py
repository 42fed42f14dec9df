"""From files to a set that everything else can judge."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from closegap.embeddings import ArrayFile, embedding_set_from_arrays
from closegap.embeddings.embedding_set import ROW_NUMBERED, EmbeddingSet
from closegap.errors import DataError, UsageError
from closegap.posthoc import Center


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Image and caption arrays of six rows, unit-norm, and columns beside them."""
    rng = np.random.default_rng(0)
    for name in ("image", "caption"):
        rows = rng.normal(size=(6, 4))
        np.save(tmp_path / f"{name}.npy", (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("f4"))
    (tmp_path / "ids.txt").write_text("".join(f"case {row}\n" for row in range(6)))
    (tmp_path / "rows.csv").write_text("patient,organ\n" + "p1,lung\np1,lung\np2,heart\np2,\np3,lung\np3,heart\n")
    (tmp_path / "cuis.txt").write_text("C1;C2\nC1\n\nC2\nC3\nC3\n")
    return tmp_path


read: dict[str, Callable[[list[ArrayFile], ArrayFile], object]] = {
    "ids": lambda arrays, column: embedding_set_from_arrays(arrays, ids=column),
    "groups": lambda arrays, column: embedding_set_from_arrays(arrays, groups=column),
    "labels": lambda arrays, column: embedding_set_from_arrays(arrays, labels=[column]),
    "relevance": lambda arrays, column: embedding_set_from_arrays(arrays, relevance=column),
}


def pair(folder: Path) -> list[ArrayFile]:
    return [ArrayFile(folder / "image.npy"), ArrayFile(folder / "caption.npy")]


def test_the_whole_set(folder: Path) -> None:
    result, notes = embedding_set_from_arrays(
        pair(folder),
        ["picture", "text"],
        ids=ArrayFile(folder / "ids.txt"),
        groups=ArrayFile(folder / "rows.csv", "patient"),
        labels=[ArrayFile(folder / "rows.csv", "organ")],
        relevance=ArrayFile(folder / "cuis.txt"),
    )
    assert result.modalities == ("picture", "text")
    assert torch.equal(result.embeddings["text"], torch.from_numpy(np.load(folder / "caption.npy")))
    assert list(result.ids)[:2] == ["case 0", "case 1"]
    assert list(result.groups or []) == ["p1", "p1", "p2", "p2", "p3", "p3"]
    assert dict(result.labels) == {"organ": ["lung", "lung", "heart", "", "lung", "heart"]}
    assert list(result.concepts or [])[:3] == [("C1", "C2"), ("C1",), ()]
    assert result.meta["sources"]["text"] == str(folder / "caption.npy")
    assert ROW_NUMBERED not in result.meta
    assert notes == []


def test_names_and_ids_default_to_files_and_row_numbers(folder: Path) -> None:
    result, notes = embedding_set_from_arrays(pair(folder))
    assert result.modalities == ("image", "caption")
    assert list(result.ids) == ["0", "1", "2", "3", "4", "5"]
    assert result.meta[ROW_NUMBERED] is True
    assert notes == []


def test_one_archive_may_hold_all(folder: Path) -> None:
    np.savez(folder / "all.npz", **{name: np.load(folder / f"{name}.npy") for name in ("image", "caption")})
    files = [ArrayFile.parse(f"{folder}/all.npz:{name}") for name in ("image", "caption")]
    result, _ = embedding_set_from_arrays(files)
    assert result.modalities == ("image", "caption")


def test_a_set_survives_saving(folder: Path) -> None:
    result, _ = embedding_set_from_arrays(pair(folder))
    result.save(folder / "set.safetensors")
    loaded = EmbeddingSet.load(folder / "set.safetensors")
    assert torch.equal(loaded.embeddings["image"], result.embeddings["image"])
    assert loaded.meta[ROW_NUMBERED] is True


def test_rows_that_were_scaled_are_noted(folder: Path) -> None:
    np.save(folder / "image.npy", 3 * np.load(folder / "image.npy"))
    result, notes = embedding_set_from_arrays(pair(folder))
    torch.testing.assert_close(result.embeddings["image"].norm(dim=1), torch.ones(6))
    assert len(notes) == 1
    assert notes[0].endswith("image.npy: 6 of 6 rows were not unit-norm (norms 3 to 3) and were normalised")


def test_repeats_inside_a_case_count_once(folder: Path) -> None:
    image = np.load(folder / "image.npy")
    np.save(folder / "image.npy", image[[0, 0, 0, 1, 1, 0]])  # the last row: another case that looks the same
    (folder / "ids.txt").write_text("a\na\na\nb\nb\nc\n")
    result, notes = embedding_set_from_arrays(pair(folder), ids=ArrayFile(folder / "ids.txt"))
    assert result.mask("image").tolist() == [True, False, False, True, False, True]
    assert result.mask("caption").all()
    assert notes == [
        "6 rows are views of 3 cases; rows of one id are each other's positives",
        "image: 3 rows repeat an earlier row of their id and count once",
    ]


def test_rows_repeated_whole_are_left_out(folder: Path) -> None:
    for name in ("image", "caption"):
        np.save(folder / f"{name}.npy", np.load(folder / f"{name}.npy")[[0, 1, 1, 2, 3, 4]])
    (folder / "ids.txt").write_text("a\nb\nb\nc\nd\ne\n")
    result, notes = embedding_set_from_arrays(
        pair(folder), ids=ArrayFile(folder / "ids.txt"), labels=[ArrayFile(folder / "rows.csv", "organ")]
    )
    assert list(result.ids) == ["a", "b", "c", "d", "e"]
    assert list(result.labels["organ"]) == ["lung", "lung", "", "lung", "heart"]
    assert notes[-1] == "1 rows repeat an earlier row of their id whole and were left out"


def test_the_same_arrays_cannot_be_fitted_and_judged(folder: Path) -> None:
    def renumbered(folder_name: str, change: Callable[[np.ndarray], np.ndarray]) -> EmbeddingSet:
        there = folder / folder_name
        there.mkdir()
        for source in pair(folder):
            np.save(there / source.path.name, change(np.load(source.path)))
        result, _ = embedding_set_from_arrays(pair(there))
        return result

    method = Center().fit(embedding_set_from_arrays(pair(folder))[0])
    with pytest.raises(UsageError, match="3 of 3 rows were fitted on"):
        method.apply(renumbered("some", lambda rows: rows[3:]))
    method.apply(renumbered("others", lambda rows: rows[:, ::-1]))  # other rows under the same numbers


def test_arrays_that_do_not_fit_each_other(folder: Path) -> None:
    caption = np.load(folder / "caption.npy")
    np.save(folder / "caption.npy", caption[:5])
    with pytest.raises(DataError, match=r"caption\.npy: 5 rows, expected 6 as in .*image\.npy"):
        embedding_set_from_arrays(pair(folder))
    np.save(folder / "caption.npy", caption[:, :3])
    assert embedding_set_from_arrays(pair(folder))[0].embeddings["caption"].shape == (6, 3)
    caption[2, 1] = np.nan
    np.save(folder / "caption.npy", caption)
    with pytest.raises(DataError, match=r"caption\.npy: row 2 holds NaN"):
        embedding_set_from_arrays(pair(folder))


def test_modalities_that_make_no_set(folder: Path) -> None:
    image, caption = pair(folder)
    with pytest.raises(UsageError, match="1 array; a gap needs at least two modalities"):
        embedding_set_from_arrays([image])
    with pytest.raises(UsageError, match=r"two modalities are called 'image'; name them apart with --names"):
        embedding_set_from_arrays([image, image])
    with pytest.raises(UsageError, match="two modalities are called 'a'"):
        embedding_set_from_arrays([image, caption], ["a", "a"])
    with pytest.raises(UsageError, match=r"3 names \(a, b, c\) for 2 arrays"):
        embedding_set_from_arrays([image, caption], ["a", "b", "c"])
    with pytest.raises(UsageError, match="a modality has an empty name"):
        embedding_set_from_arrays([image, caption], ["a", ""])


@pytest.mark.parametrize("what", read)
def test_columns_of_another_length(what: str, folder: Path) -> None:
    short = ArrayFile(folder / "short.txt")
    short.path.write_text("a\nb\n")
    with pytest.raises(DataError, match=r"short\.txt: 2 rows, expected 6, one per row of .*image\.npy"):
        read[what](pair(folder), short)


@pytest.mark.parametrize("what", ["ids", "groups"])
def test_ids_and_groups_are_never_empty(what: str, folder: Path) -> None:
    (folder / "holes.txt").write_text("a\nb\n\nd\ne\nf\n")
    with pytest.raises(DataError, match=r"holes\.txt: row 2 is empty"):
        read[what](pair(folder), ArrayFile(folder / "holes.txt"))


def test_labels_are_called_apart(folder: Path) -> None:
    organ = ArrayFile(folder / "rows.csv", "organ")
    with pytest.raises(UsageError, match="two columns of labels are called 'organ'"):
        embedding_set_from_arrays(pair(folder), labels=[organ, organ])
