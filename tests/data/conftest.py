"""A cache of their own for the tests, and a small ROCO to break."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    before = os.environ.get("CLOSEGAP_CACHE")
    folder = tmp_path_factory.mktemp("cache")
    os.environ["CLOSEGAP_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["CLOSEGAP_CACHE"]
    else:
        os.environ["CLOSEGAP_CACHE"] = before


@pytest.fixture
def picture() -> Callable[[Path, int], Path]:
    """Write a small picture whose pixels depend on the number."""

    def write(path: Path, number: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.linear_gradient("L").resize((96, 64)).point(lambda level: (level + 7 * number) % 256).save(path)
        return path

    return write


@pytest.fixture
def small_roco(tmp_path: Path, picture: Callable[[Path, int], Path]) -> Path:
    """Twelve figures of ten articles with all of ROCO's quirks."""
    root = tmp_path / "roco"
    for split, numbers in {"train": range(8), "validation": range(8, 10), "test": range(10, 12)}.items():
        folder = root / "data" / split / "radiology"
        folder.mkdir(parents=True)
        keys = [f"ROCO_{number:05d}" for number in numbers]
        articles = {key: f"PMC{100 + max(1, number)}" for key, number in zip(keys, numbers, strict=True)}
        lines = {
            "captions.txt": [f"{key}\t Chest CT of patient {key[-2:]} \n" for key in keys],
            "cuis.txt": [f"{key}\t\tC000000{i % 3}\tC0000009\n" if i else f"{key}\t\n" for i, key in enumerate(keys)],
            "semtypes.txt": [f"{key}\t\tT060\tDiagnostic Procedure\tT191\tNeoplastic Process\n" for key in keys],
            "keywords.txt": [f"{key}\t\tchest\tct\n" for key in keys],
            "licences.txt": [
                "ROCO_ID,PMC_ID,CC\n",
                *(f"{key},{articles[key]}_f1.jpg,{('CC BY', 'CC BY-NC')[i % 2]}\n" for i, key in enumerate(keys)),
            ],
            "dlinks.txt": [
                f"{key}\twget -r ftp://host/pub/pmc/oa_package/d5/ff/{articles[key]}.tar.gz -P /path/to/Dir\tf1.jpg\n"
                for key in keys
            ],
        }
        for name, rows in lines.items():
            (folder / name).write_text("".join(rows), encoding="utf-8")
        for key, number in zip(keys, numbers, strict=True):
            picture(folder / "images" / f"{key}.jpg", number)
    return root
