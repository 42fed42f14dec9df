from pathlib import Path

import pytest
from PIL import Image

from closegap.data import Case, ImageFolder
from closegap.errors import ClosegapWarning, DataError
from closegap.testing import check_source


def test_images_of_all_folders_are_cases(tmp_path: Path) -> None:
    for name in ("b.png", "a/c.JPG", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (2, 2)).save(tmp_path / name, "PNG")
    source = ImageFolder(tmp_path, modality="film", split="train")
    with pytest.warns(ClosegapWarning, match=rf"^{tmp_path}: left out what is no image by its name: 1 \.txt$"):
        first, second = source.rows()
    assert first == Case("a/c.JPG", "train", "a/c.JPG", {"film": (tmp_path / "a/c.JPG",)})
    assert isinstance(second, Case)
    assert second.id == "b.png"
    assert source.modalities == ("film",)


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image"):
        list(ImageFolder(tmp_path).rows())
    for name in ("a.dcm", "b.dcm", "README", ".DS_Store"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"holds no image but 1 without a suffix, 2 \.dcm; expected files"):
        list(ImageFolder(tmp_path).rows())
    with pytest.raises(DataError, match="no such folder"):
        list(ImageFolder(tmp_path / "gone").rows())


def test_it_holds_to_what_every_source_must(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg"):
        Image.new("L", (2, 2)).save(tmp_path / name)
    check_source(ImageFolder(tmp_path))
