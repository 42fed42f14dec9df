"""Sets of embeddings whose file or table is damaged: what loads is the set that was written, or nothing."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from shutil import copy
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import damage_file
from acceptance.inputs.tensors import parts, rewrite, says

_SET, _TABLE = Path("set.safetensors"), Path("set.parquet")
_SAYS: Mapping[str, Sequence[Any]] = {
    "modalities": ([], ["report"], ["report", "x"], "x", 5, None, [1, 2], [["report"]], {"report": 1}, ["report"] * 2),
    "meta": (
        *("x", [], 5, None, {"posthoc": "x"}, {"posthoc": [{"class": 5}]}, {"posthoc": [1]}, {"in_sample": "yes"}),
        *(
            {"ids_are_row_numbers": []},
            {"arm": "<script>"},
            {"arm": float("nan")},
            {"notes": 5},
            {"notes": ["\x1b[31m"]},
        ),
        {"seed": "x", "split": [1], "step": {}},
    ),
    "format": ("", 0, 99, None, [2]),
    "table": ("", None, 5, "0" * 32, "../../x", []),
}


def make(place: Place) -> Case:
    """A verb that reads a set, damaged or not."""
    random = place.random
    for name in ("set.safetensors", "set.parquet"):
        copy(place.sound / name, name)
    how, expected, sealed = random.random(), "any", random.random() < 0.5
    if how < 0.05:
        expected, sealed = "taken", False
    elif how < 0.25:
        tensors, metadata = parts(_SET)
        key = random.choice(sorted(_SAYS))
        said = {**says(metadata), key: random.choice(_SAYS[key])}
        rewrite(_SET, tensors, dict.fromkeys(metadata, said), sealed)
    elif how < 0.5:
        tensors, metadata = parts(_SET)
        rewrite(_SET, _changed(random, tensors), metadata, sealed)
    elif how < 0.75:
        sealed = False
        _change_table(random)
    elif how < 0.8:
        sealed = False
        other = random.choice([_SET, _TABLE])  # one half is of another set, of as many rows
        copy(place.sound / f"other{other.suffix}", other)
        expected = "refused"
    else:
        sealed = False
        damage_file(random, random.choice([_SET, _TABLE]))
    verb = random.choice(["audit", "audit", "fit", "apply"])
    out = "out" if verb == "audit" else "out.safetensors"
    arguments = {
        "audit": ["audit", str(_SET), "--metrics", "quick", "--resamples", "2"],
        "fit": ["posthoc", "fit", "--method", random.choice(["shift", "center", "procrustes"]), "--train", str(_SET)],
        "apply": ["posthoc", "apply", str(place.sound / "method.safetensors"), str(_SET)],
    }[verb]
    sound = place.sound.absolute()
    return Case([*arguments, "--out", out], expected, None if sealed else lambda: _other_than(sound))  # type: ignore[arg-type]


def _other_than(sound: Path) -> str:
    """What the set that loads has and the one that was written has not, or the other way round."""
    from closegap import EmbeddingSet

    found, expected = EmbeddingSet.load(_SET), EmbeddingSet.load(sound / _SET)
    for name, rows in expected.embeddings.items():
        mine = found.embeddings.get(name)
        present = expected.mask(name)
        if mine is None or mine.dtype != rows.dtype or not torch.equal(mine[present], rows[present]):
            return f"a damaged set loads with other rows of {name}"
        if not torch.equal(found.mask(name), present):
            return f"a damaged set loads with another presence of {name}"
    for name in ("ids", "groups", "labels", "concepts"):
        if getattr(found, name) != getattr(expected, name):
            return f"a damaged set loads with other {name}"
    return ""


def _changed(random: Random, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    name = "embeddings/report"
    rows = tensors[name]
    ones = torch.ones(len(rows))
    changes: list[Callable[[], Mapping[str, Tensor | None]]] = [
        *(
            lambda kind=kind: {name: rows.to(kind)}
            for kind in (torch.float16, torch.bfloat16, torch.float64, torch.long)
        ),
        *(
            lambda value=value: {name: rows.index_fill(0, torch.tensor([3]), value)}
            for value in (torch.nan, torch.inf, 0.0)
        ),
        *(lambda: {name: None}, lambda: {name: rows[:, 0]}, lambda: {name: rows[:, :, None]}, lambda: {name: rows > 0}),
        *(
            lambda: {name: torch.cat([rows, rows], 1)},
            lambda: {name: torch.cat([rows, rows])},
            lambda: {name: rows * 7},
        ),
        *(lambda: {name: rows.flip(0)}, lambda: {name: tensors["embeddings/record"]}),
        *(
            lambda: {"present/report": ones},
            lambda: {"present/report": ones.long()},
            lambda: {"present/zzz": ones.bool()},
        ),
        *(lambda: {"present/report": ones.bool()[1:]}, lambda: {"present/report": ~ones.bool()}),
        lambda: {key: tensor[:0] for key, tensor in tensors.items()},
    ]
    found = {**tensors, **random.choice(changes)()}
    return {key: tensor.clone() for key, tensor in found.items() if tensor is not None}


def _change_table(random: Random) -> None:
    table = pq.read_table(_TABLE)
    n, columns = len(table), {name: table.column(name).to_pylist() for name in table.column_names}
    ids = columns["id"]
    odd: list[object] = [
        range(n),
        [float(i) for i in range(n)],
        [None] * n,
        ["same"] * n,
        ids[::-1],
        [{"a": 1}] * n,
        [["x"]] * n,
    ]
    changes: list[Callable[[], Mapping[str, object]]] = [
        *(lambda values=values: {"id": values} for values in odd),
        *(
            lambda: {"group": [None] * n},
            lambda: {"group": ids[::-1]},
            lambda: {"label:": ["a"] * n},
            lambda: {"id": None},
        ),
        *(lambda: {"label:sex": [["x"]] * n}, lambda: {"label:sex": [1] * n}, lambda: {"concepts": ["C1"] * n}),
        *(lambda: {"concepts": [None] * n}, lambda: {"concepts": [["C1"]] * n}),
    ]
    if random.random() < 0.2:
        pq.write_table(
            random.choice([table[1:], pa.concat_tables([table, table]), table[:0], table.drop(["id"])]), _TABLE
        )
        return
    found = {**columns, **random.choice(changes)()}
    pq.write_table(pa.table({key: values for key, values in found.items() if values is not None}), _TABLE)
