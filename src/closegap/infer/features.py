"""Outputs of frozen towers and prepared images, computed once and kept on disk by content."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from closegap.batch import move
from closegap.data import ImageSource, cache_folder, content_digests
from closegap.files import digest, whole_file
from closegap.models.base import Encoder
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
        folder = cache_folder() / "features"
        return cls(folder, training.precision == "bf16") if training.cache_features else None

    def features(
        self,
        encoder: Encoder,
        items: Sequence[Any],
        device: torch.device,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Float[Tensor, "n dim"]:
        """Features of the items, in their order; computed where they are not on disk yet.

        Args:
            encoder: a frozen tower.
            items: raw items.
            device: where missing features are computed.
            batch_size: items at once; by default what suits the device.
            progress: called with (items done, items to do) while features are computed.
        """
        if batch_size is None:
            batch_size = 8 if device.type == "cpu" else 64  # activations of more would not stay in a CPU's cache
        name = encoder.fingerprint() + ("-bf16" if self.bf16 else "")
        compute = partial(_compute, encoder, device=device, bf16=self.bf16)
        found = self._rows(name, items, compute, batch_size, progress, encoder.lengths)
        return found if items else torch.empty(0, encoder.dim)

    def inputs(
        self, preparer: Callable[[Sequence[Any]], Tensor], items: Sequence[Any], progress: Progress | None = None
    ) -> Tensor:
        """Prepared items, in their order, where all prepare to one shape (images); prepared where not on disk yet.

        Args:
            preparer: raw items to one tensor.
            items: raw items, at least one.
            progress: called with (items done, items to do) while items are prepared.
        """
        return self._rows(digest(repr(preparer).encode()), items, preparer, 64, progress)

    def _rows(
        self,
        name: str,
        items: Sequence[Any],
        compute: Callable[[Sequence[Any]], Tensor],
        batch_size: int,
        progress: Progress | None,
        lengths: Callable[[Sequence[Any]], Sequence[int]] | None = None,
    ) -> Tensor:
        folder = self.folder / name
        keys = item_digests(items)
        known = dict(_shards(folder))
        missing = {key: item for key, item in zip(keys, items, strict=True) if key not in known}
        done = 0
        order = list(missing)
        if lengths is not None:
            length = dict(zip(order, lengths(list(missing.values())), strict=True))
            order.sort(key=length.__getitem__)
        for chunk in _chunks(order, _SHARD):
            values = []
            for part in _chunks(chunk, batch_size):
                values.append(compute([missing[key] for key in part]))
                done += len(part)
                if progress is not None:
                    progress(done, len(missing))
            rows = torch.cat(values)
            _write_shard(folder, chunk, rows)
            known.update(zip(chunk, rows, strict=True))
        return torch.stack([known[key] for key in keys]) if keys else torch.empty(0)


def item_digests(items: Sequence[Any]) -> list[str]:
    """The content of each item as a digest: a file's bytes, a string, a concept set, a record."""
    files = content_digests([item for item in items if isinstance(item, Path)])
    return [files[item] if isinstance(item, Path) else digest(_content(item)) for item in items]


def _content(item: Any) -> bytes:
    if isinstance(item, ImageSource):
        return item.fingerprint()
    if isinstance(item, Mapping):
        item = sorted(item.items())
    return json.dumps(item).encode()


@torch.inference_mode()
def _compute(encoder: Encoder, items: Sequence[Any], *, device: torch.device, bf16: bool) -> Float[Tensor, "n dim"]:
    inputs = move(encoder.preparer()(items), device)
    training = encoder.training
    encoder.to(device).eval()
    with torch.autocast(device.type, torch.bfloat16, bf16):
        features: Tensor = encoder(inputs).cpu()
    encoder.train(training)
    return features if features.dtype == torch.float16 else features.float()


def _shards(folder: Path) -> Iterator[tuple[str, Tensor]]:
    for path in sorted(folder.glob("[0-9a-f]*.safetensors")):
        try:
            shard = load_file(path)
            keys, rows = shard["keys"].numpy(), shard["rows"]
        except (SafetensorError, KeyError):
            path.unlink(missing_ok=True)  # damaged from outside, or of another version: computed again
            continue
        for key, row in zip(keys, rows, strict=True):
            yield key.tobytes().hex(), row


def _write_shard(folder: Path, keys: Sequence[str], rows: Tensor) -> None:
    packed = torch.frombuffer(bytearray(b"".join(map(bytes.fromhex, keys))), dtype=torch.uint8).view(len(keys), -1)
    with whole_file(folder / f"{digest(*map(str.encode, keys))}.safetensors") as temporary:
        save_file({"keys": packed, "rows": rows.contiguous()}, temporary)


def _chunks(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(values), size):
        yield values[first : first + size]
