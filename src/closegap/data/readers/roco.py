"""ROCO version 1 (Radiology Objects in COntext), in the raw layout of its publication."""

import csv
import hashlib
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from closegap.bounds import Seed, ShareBelowOne
from closegap.data.case import BrokenRow, Case, Row
from closegap.data.readers.imaging import imaging_method
from closegap.data.source import Source
from closegap.errors import ClosegapWarning, DataError, UsageError
from closegap.kinds.base import Kind
from closegap.kinds.codes import CodesKind
from closegap.kinds.image import ImageKind
from closegap.kinds.text import TextKind

_SPLITS = ("train", "validation", "test")
_ARTICLE = re.compile(r"(PMC\d+)")
# Type identifiers of UMLS' group "Disorders" that say what is wrong ("Finding", T033, is in every other caption).
_DISORDERS = frozenset({"T019", "T020", "T037", "T046", "T047", "T048", "T049", "T050", "T184", "T190", "T191"})


class Roco(Source):
    """Figures of radiology articles with captions and UMLS concepts.

    Expects `data/<split>/<kind>/` with `captions.txt` and, as far as they are there, `cuis.txt`, `semtypes.txt`,
    `licences.txt`, `dlinks.txt` and `images/` (files named by ROCO id, or by article and figure as ROCO's download
    script names them). Modalities: "image", "caption", "concepts" (a set of CUIs; rows without CUIs lack it). The group
    is the article. Labels: "imaging" (the imaging method that the caption names first) and "semantic_type" (the first
    UMLS semantic type that is a disorder).

    Args:
        root: the folder that contains `data/`, or `data/` itself.
        kind: "radiology", or "non-radiology" for ROCO's out-of-class figures.
        licences: keep figures under these alone, as written in `licences.txt`: ["CC BY", "CC0"]; all by default.
        splits: our split to ROCO's folder, {"train": "validation", "test": "test"} to train on its validation set; by
            default each folder that is there under its own name.
        validation_fraction: share of the articles in train, 0..1, that becomes the validation split.
        seed: which articles these are.

    Reference:
        Pelka et al., Radiology Objects in COntext (ROCO), LABELS 2018.
    """

    def __init__(
        self,
        root: Path,
        kind: Literal["radiology", "non-radiology"] = "radiology",
        licences: list[str] | None = None,
        splits: dict[str, str] | None = None,
        validation_fraction: ShareBelowOne = 0.0,
        seed: Seed = 0,
    ) -> None:
        self._root, self._kind, self._splits = Path(root), kind, splits
        self._licences = None if licences is None else frozenset(licences)
        self._validation_fraction = validation_fraction
        self._seed = seed

    @cached_property
    def _folders(self) -> dict[str, Path]:
        """Our split to the folder that holds it."""
        folders = _folders(self._root, self._kind, self._splits)
        fraction = self._validation_fraction
        if fraction and ("validation" in folders or "train" not in folders):
            raise UsageError(
                f"validation_fraction needs a train split and no validation split, found {', '.join(folders)}; "
                "set it to 0, or name the folders with splits"
            )
        return folders

    @cached_property
    def _images(self) -> bool:
        return any((folder / "images").is_dir() for folder in self._folders.values())

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Of what the folders have files for: images, captions, concepts."""
        images: dict[str, Kind] = {"image": ImageKind()} if self._images else {}
        coded = any((folder / "cuis.txt").is_file() for folder in self._folders.values())
        concepts: dict[str, Kind] = {"concepts": CodesKind()} if coded else {}
        return {**images, "caption": TextKind(), **concepts}

    @property
    def data_root(self) -> Path:
        """The folder that was given."""
        return self._root

    def rows(self) -> Iterator[Row]:
        """All figures under the licences asked for, in the order of the files.

        Raises:
            DataError: no such folder, or no captions in it.
            UsageError: `splits` or `validation_fraction` that make no sense.
        """
        seen: dict[str, str] = {}
        for split, folder in self._folders.items():
            tables = _Tables.read(folder)
            if self._licences is not None and not tables.licences:
                raise DataError(
                    f"{folder / 'licences.txt'}: no such file, but licences are asked for; leave licences out"
                )
            if not (tables.licences or tables.articles):
                warnings.warn(
                    f"{folder}: neither licences.txt nor dlinks.txt, so figures of one article cannot be kept together",
                    ClosegapWarning,
                    stacklevel=2,
                )
            for number, line in enumerate(_lines(folder / "captions.txt"), start=1):
                where = f"{folder / 'captions.txt'}, row {number}"
                row = self._row(line, split, folder, tables, where)
                if isinstance(row, Case):
                    if row.id in seen:
                        row = BrokenRow("duplicate id", where, f"id '{row.id}' is taken by {seen[row.id]}; keep one")
                    else:
                        seen[row.id] = where
                if row is not None:
                    yield row

    def _row(self, line: bytes, split: str, folder: Path, tables: "_Tables", where: str) -> Row | None:
        """The row's case, what is wrong with it, or None where its licence is not wanted."""
        try:
            key, _, caption = (part.strip() for part in line.decode().partition("\t"))
        except UnicodeDecodeError as error:
            return BrokenRow("not UTF-8", where, f"{error.reason} at byte {error.start}; save the file as UTF-8")
        if not key:
            return BrokenRow("no id", where, "expected an id, a tab and a caption; found no id")
        if self._licences is not None and tables.licences.get(key) not in self._licences:
            return None
        if not caption:
            return BrokenRow("empty caption", where, f"'{key}' has no caption; remove the row")
        article = tables.articles.get(key, key)
        concepts = tables.concepts.get(key, ())
        views: dict[str, tuple[object, ...]] = {"caption": (caption,)}
        if self._images:
            views["image"] = (_image(folder / "images", key, tables.figures.get(key)),)
        if concepts:
            views["concepts"] = (concepts,)
        return Case(
            id=key,
            split="validation" if split == "train" and self._held_out(article) else split,
            group=article,
            views=views,
            labels={"imaging": imaging_method(caption), "semantic_type": tables.disorders.get(key, "")},
            concepts=concepts,
            where=where,
        )

    def _held_out(self, article: str) -> bool:
        """Whether the article falls into the carved validation split; depends on it and the seed alone."""
        state = hashlib.blake2b(f"{self._seed}/{article}".encode(), digest_size=8)
        return int.from_bytes(state.digest(), "big") < self._validation_fraction * 2**64


@dataclass(frozen=True)
class _Tables:
    """What the files beside `captions.txt` know, by ROCO id."""

    licences: Mapping[str, str]
    articles: Mapping[str, str]
    figures: Mapping[str, str]
    concepts: Mapping[str, tuple[str, ...]]
    disorders: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path) -> "_Tables":
        try:
            rows = list(csv.reader(_text(folder / "licences.txt")))[1:]  # the only file with a header
        except csv.Error as error:
            raise DataError(f"{folder / 'licences.txt'}: no comma-separated values ({error})") from error
        listed = {row[0]: row for row in rows if len(row) == 3}
        links = {key: cells for key, *cells in _cells(folder / "dlinks.txt")}
        figures = {key: row[1] for key, row in listed.items()}
        articles = {key: found[1] for key, figure in figures.items() if (found := _ARTICLE.match(figure))}
        for key, cells in links.items():
            if found := _ARTICLE.search(cells[0] if cells else ""):
                articles.setdefault(key, found[1])
                figures.setdefault(key, f"{found[1]}_{cells[-1]}")
        return cls(
            licences={key: row[2] for key, row in listed.items()},
            articles=articles,
            figures=figures,
            concepts={key: tuple(dict.fromkeys(cells)) for key, *cells in _cells(folder / "cuis.txt")},
            disorders={key: _disorder(cells) for key, *cells in _cells(folder / "semtypes.txt")},
        )


def _folders(root: Path, kind: str, splits: Mapping[str, str] | None) -> dict[str, Path]:
    """Our split to the folder that holds it."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; expected ROCO's, which contains data/ (name it with --data.root)")
    data = root / "data" if (root / "data").is_dir() else root
    named = {name: name for name in _SPLITS if (data / name / kind).is_dir()} if splits is None else splits
    if unknown := [name for name in named if name not in _SPLITS]:
        raise UsageError(f"splits: '{unknown[0]}' is no split of ours; expected train, validation or test")
    if len(set(named.values())) < len(named):
        raise UsageError(f"splits: one folder for two splits in {dict(named)}; see validation_fraction to carve one")
    folders = {name: data / named[name] / kind for name in _SPLITS if name in named}
    if not folders:
        raise DataError(f"{data}: expected train/{kind}/, validation/{kind}/ or test/{kind}/ in it, found none")
    for folder in folders.values():
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; splits names it")
        if not (folder / "captions.txt").is_file():
            raise DataError(
                f"{folder}: expected captions.txt in it; get ROCO's text files, they come before the images"
            )
    return folders


def _image(folder: Path, key: str, figure: str | None) -> Path:
    """The file of a figure under either name; under its ROCO id where it is missing."""
    by_id = folder / f"{key}.jpg"
    by_figure = folder / figure if figure else by_id
    return by_figure if by_figure.is_file() and not by_id.is_file() else by_id


def _disorder(cells: Sequence[str]) -> str:
    """The first disorder among alternating type identifiers and names, "" where there is none."""
    return next((name for tui, name in zip(cells[::2], cells[1::2], strict=False) if tui in _DISORDERS), "")


def _cells(file: Path) -> Iterator[list[str]]:
    """Rows of a tab-separated file without the empty cells that doubled tabs make."""
    for line in _text(file):
        if cells := [cell for part in line.split("\t") if (cell := part.strip())]:
            yield cells


def _text(file: Path) -> list[str]:
    """Lines of a file that need not be there; characters that are not UTF-8 are replaced."""
    return [line.decode(errors="replace") for line in _lines(file)] if file.is_file() else []


def _lines(file: Path) -> list[bytes]:
    """Lines as ROCO means them: captions contain characters that Python's `splitlines` would break at."""
    lines = file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [line.rstrip(b"\r") for line in lines[: -1 if not lines[-1].strip() else None]]
