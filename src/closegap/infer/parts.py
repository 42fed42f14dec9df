"""Embeddings of a split of any size: in parts that are written whole, so that a killed run goes on where it stopped."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from safetensors.torch import load, save

from closegap.data import Case, Source, load_cases
from closegap.data.broken_item import naming_broken_items
from closegap.data.memory import stamp_of
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.embeddings.join import joined
from closegap.files import digest, file_digest
from closegap.infer.embed import described, embed, rows_of_cases
from closegap.infer.features import FeatureCache
from closegap.infer.kept_parts import KeptParts
from closegap.infer.prepared import prepare
from closegap.kinds import Kind
from closegap.lock import locked
from closegap.runs.check_kinds import check_kinds
from closegap.runs.log import Nobody, Watcher
from closegap.runs.open import OpenedRun, best_device

PART = 1024
"""Cases in a part."""

Parts: TypeAlias = Mapping[int, Sequence[Case]]
Workers: TypeAlias = Callable[[OpenedRun, Parts], Iterable[tuple[int, bytes]]]
"""From a run and parts to each part's number and embedded form, in any order."""


class PartEmbedder:
    """The unit of work, here and on every worker: cases to the bytes of a .safetensors file of their rows.

    Args:
        opened: the run whose model it is.
        cache: of features of frozen towers, where they are worth looking up.
        batch_size: items at once; by default what suits the device.
    """

    def __init__(self, opened: OpenedRun, cache: FeatureCache | None = None, batch_size: int | None = None) -> None:
        self.device, self.cache = best_device(), cache
        self.batch_size = batch_size or (8 if self.device.type == "cpu" else 64)
        self.model = opened.run.model.to(self.device)

    def __call__(self, cases: Sequence[Case]) -> bytes:
        """The rows of these cases."""
        with naming_broken_items(cases, {name: self.model.encoder(name).takes() for name in self.model.modalities}):
            prepared = prepare(cases, self.model, self.cache, self.device)
            found = embed(self.model, prepared, self.device, self.batch_size)
        tensors = {f"embeddings/{name}": rows.contiguous() for name, rows in found.embeddings.items()}
        return save(tensors | {f"present/{name}": found.mask(name) for name in found.modalities})


def here(
    opened: OpenedRun, parts: Parts, cache: FeatureCache | None = None, batch_size: int | None = None
) -> Iterator[tuple[int, bytes]]:
    """Parts embedded one after the other in this process; see `Workers`."""
    embedder = PartEmbedder(opened, cache, batch_size)
    for number, cases in parts.items():
        yield number, embedder(cases)


def embed_in_parts(
    opened: OpenedRun,
    split: str,
    out: Path,
    watcher: Watcher | None = None,
    source: Source | None = None,
    workers: Workers | None = None,
    part: int = PART,
    batch_size: int | None = None,
) -> EmbeddingSet:
    """Embed a split with a run's model into `out`; what a killed call left in OUT.parts is not embedded again.

    Args:
        opened: the run.
        split: "train", "validation" or "test".
        out: the .safetensors file; its table of rows is written beside it.
        watcher: who is told how it goes.
        source: cases in place of those of the run's config; they may lack modalities.
        workers: where the work is done; by default here, with the cached features of the run's own data.
        part: cases in a part.
        batch_size: items at once, which bounds memory; by default what suits the device.

    Returns:
        The set, mapped into memory.

    Raises:
        ClosegapError: no such split, an item that cannot be read, or an embedding that is not finite; what was
            embedded before it stays. Or another process embeds into `out`.
        UsageError: OUT.parts holds parts of another run, split, data or batch size.
    """
    watcher = watcher or Nobody()
    run = opened.run
    data = source or run.data
    wanted = [name for name in run.model.modalities if name in data.modalities]
    check_kinds(data.kinds, {name: run.model.encoder(name) for name in wanted})
    # What takes long to look at is looked at as it is embedded, unless what is broken is to be left out: an archive
    # would be decoded twice.
    costly = [name for name in wanted if data.kinds[name].costly and run.checks.on_error == "raise"]
    loaded = load_cases(data, run.checks, wanted, watcher.images, dict.fromkeys(costly, _unseen))
    cases = loaded.split(split)
    state = {"arm": opened.arm, "seed": run.seed, "split": split, "step": opened.step}
    parts = {n: cases[n * part : (n + 1) * part] for n in range(-(-len(cases) // part))}
    held = {"part": part, "batch_size": batch_size, "work": _digest(opened.checkpoint, cases, loaded.kinds)}
    if workers is None:
        cache = FeatureCache.of_run(run.train) if source is None else None
        workers = partial(here, cache=cache, batch_size=batch_size)
    folder = out.with_name(f"{out.name}.parts")
    with locked(folder, "embed"):
        kept = KeptParts(folder, json.dumps(state | held))
        missing = {number: held for number, held in parts.items() if not kept.has(number)}
        done = len(cases) - sum(map(len, missing.values()))
        watcher.features("cases", done, len(cases))
        for number, content in workers(opened, missing) if missing else ():
            kept.add(number, load(content))
            done += len(missing[number])
            watcher.features("cases", done, len(cases))
        rows = [cases[case] for case, _ in rows_of_cases(cases)]
        joined([kept.file(number) for number in parts], wanted, out, described(rows), state)
        kept.remove()
    return EmbeddingSet.load(out)


def _unseen(items: Sequence[Any]) -> list[str | None]:
    """Nothing is known to be wrong yet."""
    return [None] * len(items)


def _digest(checkpoint: Path, cases: Sequence[Case], kinds: Mapping[str, Kind]) -> str:
    """Of what decides the parts: the weights, frozen ones by their fingerprints, and which items each case has."""
    weights = [file_digest(checkpoint / name) for name in ("model.safetensors", "state.json")]
    held = [[case.id, *([name, len(views)] for name, views in case.views.items())] for case in cases]
    return digest(*map(str.encode, weights), json.dumps(held).encode(), *_identities(cases, kinds))


def _identities(cases: Sequence[Case], kinds: Mapping[str, Kind]) -> Iterator[bytes]:
    """What tells the items apart: of files, which may be millions, their place and time of change; else the content."""
    for name, kind in kinds.items():
        for item in (item for case in cases for item in case.views.get(name, ())):
            place = kind.place(item)
            yield kind.fingerprint(item) if place is None else repr(stamp_of(kind, place)).encode()
