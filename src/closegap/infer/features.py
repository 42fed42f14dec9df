"""Outputs of untrained towers and prepared images, computed once and kept on disk by content."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.batch import move
from closegap.data.cache import private_cache
from closegap.data.verification import content_digests
from closegap.errors import DataError
from closegap.files import digest
from closegap.infer.row_store import RowStore
from closegap.kinds.base import Kind
from closegap.models.base import Encoder
from closegap.models.fingerprint import tower_fingerprint
from closegap.progress import Progress
from closegap.runs.training import Training

_SHARD = 2048


class FeatureCache:
    """Features found by (weights, preparation, content of the item), and prepared inputs by the latter two.

    Changed weights, another input size or an edited file give another key, so a stale feature is never found. Shards
    are written whole as the work goes on: a killed extraction loses at most one.

    Args:
        folder: where shards are kept, one folder per tower and precision.
        bf16: compute features under bfloat16 autocast, as a step in that precision would; they are kept in float32.
    """

    def __init__(self, folder: Path, bf16: bool = False) -> None:
        self.folder, self.bf16 = folder, bf16

    @classmethod
    def of_run(cls, training: Training) -> Self | None:
        """The cache of a run, in the user's cache folder; None where the run wants none."""
        return cls(private_cache("features"), training.precision == "bf16") if training.cache_features else None

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
            batch_size = 8 if device.type == "cpu" else 64  # activations of more would not stay in a CPU's cache
        name = tower_fingerprint(encoder) + ("-bf16" if self.bf16 else "")
        compute = partial(_compute, encoder, device=device, bf16=self.bf16)
        found = self._rows(name, encoder.takes(), items, compute, batch_size, progress, encoder.lengths, refused)
        return found if items else torch.empty(0, encoder.dim)

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
        missing = {key: item for key, item in zip(keys, items, strict=True) if key and key not in known}
        broken: dict[str, str] | None = None if refused is None else {}
        done = 0
        order = list(missing)
        if lengths is not None:
            length = dict(zip(order, lengths(list(missing.values())), strict=True))
            order.sort(key=length.__getitem__)
        for chunk in _chunks(order, _SHARD):
            computed: dict[str, Tensor] = {}
            for part in _chunks(chunk, batch_size):
                computed |= _computed(compute, {key: missing[key] for key in part}, broken)
                done += len(part)
                if progress is not None:
                    progress(done, len(missing))
            if computed:
                store.add(list(computed), torch.stack(list(computed.values())))
            known.update(computed)
        if refused is not None and broken:
            refused |= {number: broken[key] for number, key in enumerate(keys) if key in broken}
        found = [known[key] for key in keys if key in known]
        return torch.stack(found) if found else torch.empty(0)


def _computed(
    compute: Callable[[Sequence[Any]], Tensor], items: Mapping[str, Any], broken: dict[str, str] | None
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


@torch.inference_mode()
def _compute(encoder: Encoder, items: Sequence[Any], *, device: torch.device, bf16: bool) -> Float[Tensor, "n dim"]:
    inputs = move(encoder.preparer()(items), device)
    training = encoder.training
    encoder.to(device).eval()
    with torch.autocast(device.type, torch.bfloat16, bf16):
        features: Tensor = encoder(inputs).cpu()
    encoder.train(training)
    return features if features.dtype == torch.float16 else features.float()


def _chunks(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(values), size):
        yield values[first : first + size]
