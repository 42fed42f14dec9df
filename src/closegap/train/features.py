"""Outputs of frozen towers and prepared images, computed once and kept on disk by content."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from closegap.data import ImageSource, content_digests
from closegap.encoders.base import Encoder
from closegap.encoders.batch import move
from closegap.files import digest, whole_file

_SHARD = 2048

Progress = Callable[[int, int], None]


class FeatureCache:
    """Features found by (weights, preparation, content of the item), and prepared inputs by the latter two.

    Changed weights, another input size or an edited file give another key, so a stale feature is never found. Shards
    are written whole as the work goes on: a killed extraction loses at most one.

    Args:
        folder: where shards are kept, one folder per tower.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

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
        found = self._rows(
            encoder.fingerprint(), items, lambda part: _compute(encoder, part, device), batch_size, progress
        )
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
    ) -> Tensor:
        folder = self.folder / name
        keys = item_digests(items)
        known = dict(_shards(folder))
        missing = {key: item for key, item in zip(keys, items, strict=True) if key not in known}
        done = 0
        for chunk in _chunks(sorted(missing, key=lambda key: _length(missing[key])), _SHARD):
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


def _length(item: Any) -> int:
    """Texts of one length share a batch, since all are padded to its longest; other items keep their order."""
    return len(item) if isinstance(item, str) else 0


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
def _compute(encoder: Encoder, items: Sequence[Any], device: torch.device) -> Float[Tensor, "n dim"]:
    inputs = move(encoder.preparer()(items), device)
    training = encoder.training
    encoder.to(device).eval()
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
