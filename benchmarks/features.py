"""Looking cached features up: an index beside the shards against reading every shard of the tower.

    python benchmarks/features.py

`all shards` is what an index saves: every shard loaded, every key compared. Each look asks for `asked` of `held`
features of 512 numbers, as one part of an archive does, or for all of them. `hashed` is the tower's fingerprint,
which names the folder: of every weight each time, or once for as long as no weight changes.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from measure import apart, measured, options, write
from safetensors.torch import load_file
from torch import Tensor, nn

from closegap.files import digest
from closegap.infer.row_store import RowStore
from closegap.models import SmallTextEncoder
from closegap.models.base import Encoder
from closegap.models.fingerprint import tower_fingerprint

SHARD = 2048
PART = 1024


def fill(folder: Path, held: int) -> list[str]:
    """A folder of shards, and the keys in it."""
    store, keys = RowStore(folder), [digest(str(number).encode()) for number in range(held)]
    for first in range(0, held, SHARD):
        chunk = keys[first : first + SHARD]
        store.add(chunk, torch.randn(len(chunk), 512))
    return keys


def all_shards(folder: Path, keys: Sequence[str]) -> Tensor:
    """The rows of the keys, without an index."""
    known: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        shard = load_file(path)
        known.update(zip((key.tobytes().hex() for key in shard["keys"].numpy()), shard["rows"], strict=True))
    return torch.stack([known[key] for key in keys])


def indexed(folder: Path, keys: Sequence[str]) -> Tensor:
    """The rows of the keys."""
    known = RowStore(folder).read(keys)
    return torch.stack([known[key] for key in keys])


FORMS: dict[str, Callable[[Path, Sequence[str]], Tensor]] = {"all shards": all_shards, "index": indexed}


def measure_look(form: str, folder: str, keys: Sequence[str]) -> dict[str, float]:
    FORMS[form](Path(folder), keys[:1])
    return measured(lambda: FORMS[form](Path(folder), keys))


def measure_parts(form: str, folder: str, keys: Sequence[str]) -> dict[str, float]:
    """The keys, in parts, as `embed` asks for them."""
    parts = [keys[first : first + PART] for first in range(0, len(keys), PART)]
    return measured(lambda: [FORMS[form](Path(folder), part) for part in parts], repeats=1)


def tower(weights: int) -> Encoder:
    """A frozen tower of about so many weights."""
    encoder = SmallTextEncoder(dim=16, heads=2)
    encoder.large = nn.Linear(1024, weights // 1024, bias=False)
    return encoder.requires_grad_(False)


def measure_hash(form: str, weights: int) -> dict[str, float]:
    encoder = tower(weights)
    tower_fingerprint(encoder)
    return measured(encoder.fingerprint if form == "all weights" else lambda: tower_fingerprint(encoder))


def main() -> None:
    given = options(__doc__, held=[4639, 100_000], weights=100_000_000)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for held in given.held:
            keys = fill(Path(temporary) / str(held), held)
            for what, asked, measure in (
                ("one part", keys[-PART:], measure_look),
                ("all at once", keys, measure_look),
                ("4 parts", keys[: 4 * PART], measure_parts),
            ):
                rows += compared(FORMS, {"what": what, "held": held}, measure, f"{temporary}/{held}", asked)
    rows += compared(("all weights", "once"), {"what": "hashed", "held": given.weights}, measure_hash, given.weights)
    write("features", rows, ["what", "held", "form", "seconds", "cpu_seconds", "extra_mib", "faster"], given.out)


def compared(
    forms: Sequence[str] | dict[str, Any], row: dict[str, Any], measure: Callable[..., dict[str, float]], *asked: Any
) -> list[dict[str, Any]]:
    """A row for each form, and how much faster the second is."""
    first, second = ({**row, "form": form, **apart(measure, form, *asked)} for form in forms)
    return [first, {**second, "faster": first["cpu_seconds"] / second["cpu_seconds"]}]


if __name__ == "__main__":
    main()
