"""Outputs of untrained towers and frozen prefixes, and prepared images, computed once and kept on disk by content."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from closegap.batch import Activations, move
from closegap.data.cache import private_cache
from closegap.data.verification import content_digests
from closegap.errors import ClosegapError, DataError
from closegap.files import digest
from closegap.infer.kept_activations import KeptActivations
from closegap.infer.row_store import RowStore
from closegap.kinds.base import Kind
from closegap.models.base import Encoder
from closegap.models.fingerprint import tower_fingerprint
from closegap.progress import Progress
from closegap.runs.training import Training

_SHARD = 2048
_ACTIVATIONS = 256  # in a shard: each may be hundreds of kilobytes


class FeatureCache:
    """Features found by (weights, preparation, content of the item), and prepared inputs by the latter two.

    Changed weights, another input size or an edited file give another key, so a stale feature is never found. Shards
    are written whole as the work goes on: a killed extraction loses at most one.

    Args:
        folder: where shards are kept, one folder per tower and precision.
        bf16: compute features under bfloat16 autocast, as a step in that precision would; they are kept in float32.
        half: keep activations in float16, which is half the space, rather than in float32.
    """

    def __init__(self, folder: Path, bf16: bool = False, half: bool = True) -> None:
        self.folder, self.bf16, self.half = folder, bf16, half

    @classmethod
    def of_run(cls, training: Training) -> Self | None:
        """The cache of a run, in the user's cache folder; None where the run wants none."""
        if not training.cache_features:
            return None
        return cls(private_cache("features"), training.precision == "bf16", training.half_activations)

    def features(
        self,
        encoder: Encoder,
        items: Sequence[Any],
        device: torch.device,
        batch_size: int | None = None,
        progress: Progress | None = None,
        refused: dict[int, str] | None = None,
    ) -> Float[Tensor, "n dim"]:
        """Features of the items, in their order; computed where they are not on disk yet.

        Args:
            encoder: a tower of which nothing is trained, fitted where it fits anything.
            items: raw items.
            device: where missing features are computed.
            batch_size: items at once; by default what suits the device.
            progress: called with (items done, items to do) while features are computed.
            refused: gets number and reason of the items that cannot be prepared, whose features are left out; by
                default they are an error.
        """
        if batch_size is None:
            batch_size = _batch_size(device)
        name = tower_fingerprint(encoder) + ("-bf16" if self.bf16 else "")
        compute = partial(_compute, encoder, self._given(encoder, device), device=device, bf16=self.bf16)
        found = self._rows(name, encoder.takes(), items, compute, batch_size, progress, encoder.lengths, refused)
        return found if items else torch.empty(0, encoder.dim)

    def activations(
        self,
        encoder: Encoder,
        items: Sequence[Any],
        device: torch.device,
        progress: Progress | None = None,
        refused: dict[int, str] | None = None,
    ) -> KeptActivations:
        """What the prefix of a tower gives of each item, in their order; computed where it is not on disk yet.

        Args:
            encoder: a tower with a prefix; what is trained of it changes no key.
            items: raw items.
            device: as for `features`, and so are the others.
            progress: called with (items done, items to do) while activations are computed.
            refused: as in `features`.

        Raises:
            ClosegapError: activations that half precision cannot hold.
        """
        form = ("-bf16" if self.bf16 else "") + ("-half" if self.half else "")
        store = RowStore(self.folder / f"{encoder.prefix_fingerprint()}{form}")
        keys = content_digests(encoder.takes(), items, refused)
        wanted = [key for key in keys if key]
        given = self._given(encoder, device)
        compute = partial(_activations, encoder, given, device=device, bf16=self.bf16, half=self.half)
        asked = _Asked(keys, items, encoder.lengths, _batch_size(device), progress, refused)
        known = store.places(wanted)
        for computed in asked.missing(known, compute, _ACTIVATIONS):
            for alike in _by_shape(computed):
                store.add(list(alike), torch.stack(list(alike.values())))
        if known.keys() < set(wanted):
            known = store.places(wanted)
        places = [known[key] for key in keys if key in known]
        return KeptActivations(places)

    def inputs(
        self,
        preparer: Callable[[Sequence[Any]], Tensor],
        kind: Kind,
        items: Sequence[Any],
        progress: Progress | None = None,
        refused: dict[int, str] | None = None,
    ) -> Tensor:
        """Prepared items, in their order, where all prepare to one shape (images); prepared where not on disk yet.

        Args:
            preparer: raw items to one tensor.
            kind: what the items are.
            items: raw items, at least one.
            progress: called with (items done, items to do) while items are prepared.
            refused: as in `features`.
        """
        return self._rows(digest(repr(preparer).encode()), kind, items, preparer, 64, progress, refused=refused)

    def _given(self, encoder: Encoder, device: torch.device) -> Callable[[Sequence[Any]], Any]:
        """What a tower is given of raw items: prepared ones, or, where it has a tower of parts, their kept features."""
        tower = encoder.part_encoder
        return encoder.preparer() if tower is None else partial(self._of_parts, encoder, tower, device)

    def _of_parts(self, encoder: Encoder, tower: Encoder, device: torch.device, items: Sequence[Any]) -> Activations:
        parts = [encoder.parts(item) for item in items]
        lengths = [len(of_one) for of_one in parts]
        together = max(lengths) * max(1, _batch_size(device) // max(lengths))  # the parts of an item are not torn apart
        rows = self.features(tower, list(chain.from_iterable(parts)), device, together)
        return Activations(pad_sequence(list(torch.split(rows, lengths)), batch_first=True), torch.tensor(lengths))

    def _rows(
        self,
        name: str,
        kind: Kind,
        items: Sequence[Any],
        compute: Callable[[Sequence[Any]], Tensor],
        batch_size: int,
        progress: Progress | None,
        lengths: Callable[[Sequence[Any]], Sequence[int]] | None = None,
        refused: dict[int, str] | None = None,
    ) -> Tensor:
        store = RowStore(self.folder / name)
        keys = content_digests(kind, items, refused)
        known = store.read([key for key in keys if key])
        asked = _Asked(keys, items, lengths, batch_size, progress, refused)
        for computed in asked.missing(known, compute, _SHARD):
            store.add(list(computed), torch.stack(list(computed.values())))
            known.update(computed)
        found = [known[key] for key in keys if key in known]
        return torch.stack(found) if found else torch.empty(0)


@dataclass(frozen=True)
class _Asked:
    """Items whose rows are wanted; see `FeatureCache.features`.

    Args:
        keys: one per item; empty of an item that is refused.
    """

    keys: Sequence[str]
    items: Sequence[Any]
    lengths: Callable[[Sequence[Any]], Sequence[int]] | None
    batch_size: int
    progress: Progress | None
    refused: dict[int, str] | None

    def missing(
        self, known: Container[str], compute: Callable[[Sequence[Any]], Iterable[Tensor]], shard: int
    ) -> Iterator[dict[str, Tensor]]:
        """The rows that are not known, `shard` at a time, items of one length together."""
        wanted = {key: item for key, item in zip(self.keys, self.items, strict=True) if key and key not in known}
        broken: dict[str, str] | None = None if self.refused is None else {}
        order, done = list(wanted), 0
        if self.lengths is not None:
            length = dict(zip(order, self.lengths(list(wanted.values())), strict=True))
            order.sort(key=length.__getitem__)
        for chunk in _chunks(order, shard):
            computed: dict[str, Tensor] = {}
            for part in _chunks(chunk, self.batch_size):
                computed |= _computed(compute, {key: wanted[key] for key in part}, broken)
                done += len(part)
                if self.progress is not None:
                    self.progress(done, len(wanted))
            if computed:
                yield computed
        if self.refused is not None and broken:
            self.refused.update({number: broken[key] for number, key in enumerate(self.keys) if key in broken})


def _computed(
    compute: Callable[[Sequence[Any]], Iterable[Tensor]], items: Mapping[str, Any], broken: dict[str, str] | None
) -> dict[str, Tensor]:
    """Key to row; what cannot be prepared goes to `broken`, if it is given, and its neighbours are computed alone."""
    try:
        return dict(zip(items, compute(list(items.values())), strict=True))
    except DataError as error:
        if broken is None:
            raise
        if len(items) == 1:
            broken[next(iter(items))] = str(error)
            return {}
        return {key: row for k, item in items.items() for key, row in _computed(compute, {k: item}, broken).items()}


def _batch_size(device: torch.device) -> int:
    return 8 if device.type == "cpu" else 64  # activations of more would not stay in a CPU's cache


def _by_shape(rows: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    for shape in dict.fromkeys(row.shape for row in rows.values()):
        yield {key: row for key, row in rows.items() if row.shape == shape}


@torch.inference_mode()
def _activations(
    encoder: Encoder,
    given: Callable[[Sequence[Any]], Any],
    items: Sequence[Any],
    *,
    device: torch.device,
    bf16: bool,
    half: bool,
) -> list[Float[Tensor, "..."]]:
    inputs = move(given(items), device)
    training = encoder.training
    encoder.to(device).eval()
    with torch.autocast(device.type, torch.bfloat16, bf16):
        found = inputs if isinstance(inputs, Activations) else encoder.activations(inputs)
    encoder.train(training)
    values = found.values.to("cpu", torch.float16 if half else torch.float32)
    if not values.isfinite().all():
        raise ClosegapError(
            f"{type(encoder).__name__}: activations beyond half precision; set train.half_activations to false"
        )
    lengths = [values.shape[1]] * len(values) if found.lengths is None else found.lengths.tolist()
    return [row[:length].contiguous() for row, length in zip(values, lengths, strict=True)]


@torch.inference_mode()
def _compute(
    encoder: Encoder,
    given: Callable[[Sequence[Any]], Any],
    items: Sequence[Any],
    *,
    device: torch.device,
    bf16: bool,
) -> Float[Tensor, "n dim"]:
    inputs = move(given(items), device)
    training = encoder.training
    encoder.to(device).eval()
    with torch.autocast(device.type, torch.bfloat16, bf16):
        found: Tensor = encoder.resume(inputs) if isinstance(inputs, Activations) else encoder(inputs)
    features = found.cpu()
    encoder.train(training)
    return features if features.dtype == torch.float16 else features.float()


def _chunks(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(values), size):
        yield values[first : first + size]
