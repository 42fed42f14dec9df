"""Where an archive's rows come from: a run, a model with data, or an embedding set."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from closegap.data import Case, Checks, ImageFolder, Source, load_cases
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.embeddings.unit_norm import unit_norm
from closegap.errors import UsageError
from closegap.files import digest, file_digest
from closegap.infer.features import FeatureCache
from closegap.kinds import ImageKind, Kind, TextKind
from closegap.models.data_names import named_after_data
from closegap.models.folder import DESCRIPTION
from closegap.models.model import Model
from closegap.models.named import is_named
from closegap.posthoc import PostHoc
from closegap.runs.check_kinds import check_kinds
from closegap.runs.config import CONFIG
from closegap.runs.load import load
from closegap.runs.log import Nobody, Watcher
from closegap.runs.open import open_run
from closegap.runs.source import read_checks, read_source
from closegap.search.archive.feed import Feed
from closegap.search.archive.feed_of_cases import FeedOfCases
from closegap.search.archive.feed_of_set import FeedOfSet


@dataclass(frozen=True)
class Data:
    """Which cases.

    Args:
        arguments: as `--data.root DIR`, that say where cases come from, or change what a run says.
        images: a folder of images in place of all that.
        pacs: the address of a PACS in place of all that.
        key: of the pseudonyms that its patients and studies get.
        splits: of which splits; all by default.
        thumbnails: whether pictures are kept.
        trusted: import paths of further parts of a model that may be loaded.
    """

    arguments: Sequence[str] = ()
    images: Path | None = None
    pacs: str | None = None
    key: Path | None = None
    splits: Sequence[str] = ()
    thumbnails: bool = False
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Opened:
    """A source that was opened.

    Args:
        feed: of its rows.
        name: what it is called.
        work: a digest of what decides the rows.
        left_out: how many rows are none of it, by reason.
        changes: whether the rows may be others when the work goes on.
        model: raw; None of an embedding set.
        brought: the map that the model had.
    """

    feed: Feed
    name: str
    work: str
    left_out: Mapping[str, int] = field(default_factory=dict)
    changes: bool = False
    model: Model | None = None
    brought: PostHoc | None = None


@dataclass(frozen=True, eq=False)
class _Given:
    """Data, and the model that a source has of them."""

    data: Source
    checks: Checks = field(default_factory=Checks)
    cache: FeatureCache | None = None
    model: Model | None = None
    weights: str = ""


def open_source(source: Path, data: Data, watcher: Watcher | None = None) -> Opened:
    """A run, a model's folder or name, or an embedding set, and the rows that it gives.

    The modalities of a model of another library, such as image and text, are called as the data call them.

    Raises:
        UsageError: none of them, or a model without data.
        DataError: cases that are not sound.
    """
    if source.suffix == ".safetensors":
        return _opened_set(source, data)
    given = _of_run(source, data) if (source / CONFIG).is_file() else _of_model(source, data)
    assert given.model is not None
    return _opened(given, given.model, source.resolve().name, data, watcher or Nobody())


def open_more(source: Path | None, model: Model | None, data: Data, watcher: Watcher | None = None) -> Opened:
    """Rows for an archive that is there already, embedded by its own model.

    Args:
        source: an embedding set, or a run whose data are taken; None where `data` says all.
        model: of the archive; None of one that was built from embeddings.
        data: which cases.
        watcher: who is told how it goes.

    Raises:
        UsageError: data for an archive without a model, or nothing given.
    """
    if source is not None and source.suffix == ".safetensors":
        return _opened_set(source, data)
    if model is None:
        raise UsageError("the archive was built from embeddings, without a model; add an embedding set (.safetensors)")
    if source is not None and (source / CONFIG).is_file():
        given = _of_run(source, data)
    elif source is not None:
        raise UsageError(f"{source}: neither a run nor an embedding set; name one, or say --data")
    else:
        given = _of_arguments(data, model)
    return _opened(given, model, "" if source is None else source.name, data, watcher or Nobody())


def _opened_set(path: Path, data: Data) -> Opened:
    if data.arguments or data.images is not None or data.splits:
        raise UsageError(f"{path}: an embedding set has all its rows; leave --data, --images and --split out")
    embeddings, _ = unit_norm(EmbeddingSet.load(path))
    return Opened(FeedOfSet(embeddings), path.stem, digest(file_digest(path).encode()))


def _opened(given: _Given, model: Model, name: str, data: Data, watcher: Watcher) -> Opened:
    raw = model.with_posthoc(None)
    cases, kinds, left_out = _cases(given, raw, data, watcher)
    feed = FeedOfCases(raw, cases, kinds, data.thumbnails, given.cache)
    held = [[case.id, case.group, *([name, len(views)] for name, views in case.views.items())] for case in cases]
    identity = given.data.identity
    work = digest(given.weights.encode(), json.dumps([identity or held, data.thumbnails]).encode())
    return Opened(feed, name, work, left_out, identity is not None, raw, model.posthoc)


def _cases(
    given: _Given, model: Model, data: Data, watcher: Watcher
) -> tuple[list[Case], dict[str, Kind], dict[str, int]]:
    """The sound cases of the splits, the kinds of what both model and data have, and what was left out, counted."""
    wanted = [name for name in model.modalities if name in given.data.modalities]
    if not wanted:
        has, there = ", ".join(model.modalities), ", ".join(given.data.modalities)
        raise UsageError(f"the model embeds {has}, the data have {there}; name the data's modalities after the model's")
    check_kinds(given.data.kinds, {name: model.encoder(name) for name in wanted})
    # What takes long to look at is looked at as it is embedded, unless what is broken is to be left out.
    costly = [name for name in wanted if given.data.kinds[name].costly and given.checks.on_error == "raise"]
    loaded = load_cases(given.data, given.checks, wanted, watcher.images, dict.fromkeys(costly, _unseen))
    splits = [loaded.split(name) for name in data.splits] if data.splits else list(loaded.splits.values())
    return [case for split in splits for case in split], dict(loaded.kinds), loaded.counts


def _unseen(items: Sequence[object]) -> list[str | None]:
    return [None] * len(items)


def _of_run(folder: Path, data: Data) -> _Given:
    opened = open_run(folder, data.arguments)
    run, weights = opened.run, file_digest(opened.checkpoint / "model.safetensors")
    beside = _beside(data, run.model)
    if beside is not None:
        return _Given(beside, run.checks, None, run.model, weights)
    return _Given(run.data, run.checks, FeatureCache.of_run(run.train), run.model, weights)


def _of_model(folder: Path, data: Data) -> _Given:
    model = load(folder, data.trusted)
    given = _of_arguments(data, model)
    if not is_named(str(folder)):
        return _Given(given.data, given.checks, None, model, file_digest(folder / DESCRIPTION))
    weights = digest(*(model.encoder(name).fingerprint().encode() for name in model.modalities))
    if data.images is None and data.pacs is None:
        model = named_after_data(model, given.data.kinds)
    return _Given(given.data, given.checks, None, model, weights)


def _of_arguments(data: Data, model: Model) -> _Given:
    beside = _beside(data, model)
    if beside is not None:
        return _Given(beside, read_checks(data.arguments))
    return _Given(*read_source(data.arguments))


def _beside(data: Data, model: Model) -> Source | None:
    """What was given in place of a data set, its modalities named as the model names them."""
    image, text = (
        next((name for name in model.modalities if model.encoder(name).takes is kind), None)
        for kind in (ImageKind, TextKind)
    )
    if data.images is None and data.pacs is None:
        return None
    if image is None:
        option = "--images" if data.images is not None else "--source"
        raise UsageError(
            f"{option}: the model has no tower for images; its modalities are {', '.join(model.modalities)}"
        )
    if data.images is not None:
        return ImageFolder(data.images, image)
    if data.key is None or data.pacs is None:
        raise UsageError("--key: not given; name the file with the secret that pseudonyms of patients are made with")
    from closegap.data import DicomWeb

    return DicomWeb(data.pacs, data.key, image, text)
