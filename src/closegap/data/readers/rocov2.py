"""ROCO version 2, as published on Zenodo (CSV files and folders of images) or on a hub (Parquet files)."""

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from closegap.data.cache import private_cache
from closegap.data.case import BrokenRow, Case, Row
from closegap.data.readers.embedded_image import EmbeddedImage, arrow_batches, arrow_copy
from closegap.data.readers.imaging import imaging_method
from closegap.data.source import Source
from closegap.data.table import TableRow, table_columns, table_rows
from closegap.errors import ClosegapWarning, DataError, UsageError, needs
from closegap.kinds.base import Kind
from closegap.kinds.codes import CodesKind
from closegap.kinds.image import ImageKind
from closegap.kinds.text import TextKind

_HUB = "hub:"
_ZENODO_SPLITS = {"train": "train", "validation": "valid", "test": "test"}
_COLUMNS = ("image", "image_id", "caption", "cui")
_ARTICLE = re.compile(r"PMC\d+")


class RocoV2(Source):
    """Radiology figures with captions and UMLS concepts, 79,789 in all.

    Modalities: "image", "caption", "concepts" (a set of CUIs; rows without lack it). The group is the article where
    `license_information.csv` is in the folder, else the figure, with a warning. Labels: "imaging", the imaging method
    that the caption names first.

    Args:
        root: the folder of Zenodo's layout, with `{train,valid,test}_captions.csv` (ID, Caption),
            `{train,valid,test}_concepts.csv` (ID, CUIs) and the unpacked images in `train/`, `train_images/` or
            `train_images/train/`; or a folder of Parquet files `{train,validation,test}-*.parquet` (image, image_id,
            caption, cui); or `hub:<owner>/<name>` to fetch these with the extra `hub`. Parquet files are copied
            once, uncompressed, into the cache folder, so that single images can be read.
        manual_concepts: take the manually curated concepts (`*_concepts_manual.csv`) instead; Zenodo's layout only.

    Reference:
        Rueckert et al., ROCOv2: Radiology Objects in COntext Version 2, Scientific Data 2024.
    """

    def __init__(self, root: str, manual_concepts: bool = False) -> None:
        self._name = root
        self._root = Path(root)
        self._manual = manual_concepts
        self._concepts = "concepts_manual" if manual_concepts else "concepts"

    @cached_property
    def _csv(self) -> dict[str, str]:
        """Our split to Zenodo's name for it, where its captions are in the folder."""
        if self._name.startswith(_HUB):
            return {}
        if not self._root.is_dir():
            raise DataError(f"{self._root}: no such folder; expected ROCOv2's, or hub:<owner>/<name>")
        return {ours: name for ours, name in _ZENODO_SPLITS.items() if (self._root / f"{name}_captions.csv").is_file()}

    @cached_property
    def _arrow(self) -> dict[str, list[Path]]:
        """Our split to Arrow streams; none in Zenodo's layout."""
        if self._csv:
            return {}
        hub = self._name.startswith(_HUB)
        found = _fetched(self._name.removeprefix(_HUB)) if hub else _copied(self._root)
        if not found:
            raise DataError(
                f"{self._name}: expected train_captions.csv, valid_captions.csv or test_captions.csv, or Parquet files "
                "train-*.parquet, validation-*.parquet or test-*.parquet, found neither"
            )
        if self._manual:
            raise UsageError(
                f"{self._name}: manual concepts come with Zenodo's CSV files only; leave manual_concepts out"
            )
        return found

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Of what there are files for: images, captions, concepts."""
        pictured = bool(self._arrow) or any(self._images.values())
        coded = bool(self._arrow) or any(
            (self._root / f"{name}_{self._concepts}.csv").is_file() for name in self._csv.values()
        )
        images: dict[str, Kind] = {"image": ImageKind()} if pictured else {}
        concepts: dict[str, Kind] = {"concepts": CodesKind()} if coded else {}
        return {**images, "caption": TextKind(), **concepts}

    @property
    def data_root(self) -> Path:
        """The folder that was given."""
        return self._root

    def rows(self) -> Iterator[Row]:
        """All figures, in the order of the files.

        Raises:
            DataError: no such folder, or neither layout in it.
            MissingExtraError: a hub is named and `datasets` is not installed.
        """
        articles = _articles(self._root / "license_information.csv")
        if not articles:
            warnings.warn(
                f"{self._root}: no license_information.csv, so figures of one article cannot be kept together",
                ClosegapWarning,
                stacklevel=2,
            )
        seen: dict[str, str] = {}
        for where, row in self._csv_rows(articles) if self._csv else self._arrow_rows(articles):
            if isinstance(row, Case) and row.id in seen:
                yield BrokenRow("duplicate id", where, f"id '{row.id}' is taken by {seen[row.id]}; keep one")
                continue
            if isinstance(row, Case):
                seen[row.id] = where
            yield row

    @cached_property
    def _images(self) -> dict[str, Path | None]:
        """Our split to its folder of images."""
        return {ours: _image_folder(self._root, published) for ours, published in self._csv.items()}

    def _csv_rows(self, articles: Mapping[str, str]) -> Iterator[tuple[str, Row]]:
        with_images = any(self._images.values())
        for split, published in self._csv.items():
            concepts = _listed_concepts(self._root / f"{published}_{self._concepts}.csv")
            file = self._root / f"{published}_captions.csv"
            _expect(file, table_columns(file), ("ID", "Caption"))
            images = self._images[split] or self._root / published
            for row in table_rows(file):
                if isinstance(row, BrokenRow):
                    yield row.where, row
                    continue
                cells = _stripped(row)
                key, caption = cells["ID"], cells["Caption"]
                image = images / f"{key}.jpg" if with_images else None
                yield row.where, _case(row.where, split, key, caption, concepts.get(key, ()), image, articles)

    def _arrow_rows(self, articles: Mapping[str, str]) -> Iterator[tuple[str, Row]]:
        for split, files in self._arrow.items():
            for file in files:
                for number, batch in enumerate(arrow_batches(file)):
                    _expect(file, batch.schema.names, _COLUMNS)
                    _expect_types(file, batch.schema)
                    columns = (batch.column(name).to_pylist() for name in _COLUMNS[1:])
                    for row, (key, caption, cuis) in enumerate(zip(*columns, strict=True)):
                        image = EmbeddedImage(file, number, row)
                        concepts = tuple(dict.fromkeys(cuis or ()))
                        yield str(image), _case(str(image), split, key or "", caption, concepts, image, articles)


def _case(
    where: str,
    split: str,
    key: str,
    caption: str | None,
    concepts: tuple[str, ...],
    image: Path | EmbeddedImage | None,
    articles: Mapping[str, str],
) -> Row:
    caption = (caption or "").strip()
    if not key:
        return BrokenRow("no id", where, "the id is blank; give the row one or remove it")
    if not caption:
        return BrokenRow("empty caption", where, f"'{key}' has no caption; remove the row")
    views: dict[str, tuple[object, ...]] = {"caption": (caption,)}
    if image is not None:
        views["image"] = (image,)
    if concepts:
        views["concepts"] = (concepts,)
    labels = {"imaging": imaging_method(caption)}
    return Case(key, split, articles.get(key, key), views, labels, concepts, where)


def _image_folder(root: Path, published: str) -> Path | None:
    """Where the archive of a split was unpacked to."""
    places = (f"{published}_images/{published}", f"{published}_images", published)
    return next((root / place for place in places if (root / place).is_dir()), None)


def _listed_concepts(file: Path) -> dict[str, tuple[str, ...]]:
    if not file.is_file():
        return {}
    _expect(file, table_columns(file), ("ID", "CUIs"))
    concepts: dict[str, tuple[str, ...]] = {}
    for row in table_rows(file):
        if not isinstance(row, BrokenRow):
            cells = _stripped(row)
            found = (part.strip() for part in cells["CUIs"].split(";"))
            concepts[cells["ID"]] = tuple(dict.fromkeys(part for part in found if part))
    return concepts


def _articles(file: Path) -> dict[str, str]:
    """Figure to article, wherever in its row the article is named."""
    if not file.is_file():
        return {}
    _expect(file, table_columns(file), ("ID",))
    articles = {}
    for row in table_rows(file):
        if not isinstance(row, BrokenRow):
            cells = _stripped(row)
            if found := _ARTICLE.search(" ".join(cells.values())):
                articles[cells["ID"]] = found[0]
    return articles


def _stripped(row: TableRow) -> dict[str, str]:
    return {name.strip(): value.strip() for name, value in row.cells.items()}


def _expect(file: Path, found: list[str], columns: tuple[str, ...]) -> None:
    names = [name.strip() for name in found]
    if missing := [column for column in columns if column not in names]:
        raise DataError(f"{file}: expected a column '{missing[0]}', found {', '.join(map(repr, names))}")


def _expect_types(file: Path, schema: pa.Schema) -> None:
    fits = {
        "image": pa.types.is_struct,
        "image_id": pa.types.is_string,
        "caption": pa.types.is_string,
        "cui": lambda kind: pa.types.is_list(kind) and not pa.types.is_nested(kind.value_type),
    }
    for name, fit in fits.items():
        if not fit(schema.field(name).type):
            raise DataError(f"{file}: column '{name}' holds {schema.field(name).type}, which is none of ROCOv2's")


def _copied(root: Path) -> dict[str, list[Path]]:
    """Our split to Arrow copies of its Parquet files, in the order of their names."""
    tables = {
        split: sorted({*root.glob(f"{split}-*.parquet"), *root.glob(f"data/{split}-*.parquet")})
        for split in _ZENODO_SPLITS
    }
    folder = private_cache("rocov2")
    return {split: [arrow_copy(table, folder) for table in found] for split, found in tables.items() if found}


def _fetched(name: str) -> dict[str, list[Path]]:
    """Our split to the Arrow files that the hub's library keeps of it."""
    with needs("hub"):
        import datasets
    try:
        found = datasets.load_dataset(name)
    except Exception as error:  # no network, no such data set, no access: the library has a dozen ways to say so
        raise DataError(f"hub:{name}: cannot be fetched ({' '.join(str(error).split())})") from error
    return {
        split: [Path(file["filename"]) for file in found[split].cache_files]
        for split in _ZENODO_SPLITS
        if split in found
    }
