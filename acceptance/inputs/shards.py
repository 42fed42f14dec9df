"""Shards of strangers: archives and an index that are damaged, or say what is not so."""

import json
from pathlib import Path
from random import Random
from shutil import copytree
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import STRANGE, damage_file, flipped
from acceptance.tiny import part, write

_SHARDS = Path("shards")
_INDEX = _SHARDS / "cases.parquet"


def make(place: Place) -> Case:
    """Shards written anew from such shards."""
    random, expected, must_equal = place.random, "any", False
    copytree(place.sound / "shards", _SHARDS)
    archives = sorted(_SHARDS.glob("*.tar"))
    kind = random.random()
    if kind < 0.05:
        expected, must_equal = "taken", True
    elif kind < 0.25:
        damage_file(random, random.choice(archives))
        must_equal = True
    elif kind < 0.4:  # a few bytes of one image
        archive = random.choice(archives)
        archive.write_bytes(flipped(random, archive.read_bytes(), 2))
        must_equal = True
    elif kind < 0.55:
        damage_file(random, _INDEX)
        must_equal = True
    else:
        expected = _change_index(random)
    checks = {
        "on_error": random.choice(["raise", "raise", "skip"]),
        "max_skipped": 1.0,
        "verify": random.random() < 0.7,
    }
    if expected == "taken":
        checks = {}
    data = part("closegap.data.Shards", root=str(_SHARDS))
    config = write("config.json", {"data": data, "checks": checks})
    sound = place.sound.absolute() / "shards"
    wrong = (lambda: _other_items(sound)) if must_equal else None
    return Case(["shard", "--config", config, "--out", "out"], expected, wrong)  # type: ignore[arg-type]


def _other_items(sound: Path) -> str:
    """What the new shards hold that the sound ones do not; what was left out is no matter."""
    expected = {case: _items(sound, views) for case, views in _cases(sound)}
    for case, views in _cases(Path("out")):
        if _items(Path("out"), views) != expected.get(case):
            return f"damaged shards were read: case {case!r} has other items"
    return ""


def _cases(folder: Path) -> list[tuple[str, Any]]:
    table = pq.read_table(folder / "cases.parquet")
    return list(zip(table.column("id").to_pylist(), map(json.loads, table.column("views").to_pylist()), strict=True))


def _items(folder: Path, views: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Modality to its items: the bytes of those that lie in archives."""
    archives = sorted(folder.glob("*.tar"))

    def item(where: Any) -> Any:
        if not isinstance(where, list):
            return where
        content = archives[where[0]].read_bytes()
        return content[where[1] : where[1] + where[2]]

    return {name: [item(where) for where in found] for name, found in views.items()}


def _change_index(random: Random) -> str:
    """Change the index; "refused" where what it says is not so."""
    table = pq.read_table(_INDEX)
    rows = [json.loads(text) for text in table.column("views").to_pylist()]
    row, what = random.randrange(len(rows)), random.randrange(7)
    where, expected = rows[row]["image"][0], "any"
    columns: dict[str, Any] = {name: table.column(name).to_pylist() for name in table.column_names}
    if what == 0:  # each image is said to be another
        digests = [found["image"][0][3] for found in rows]
        for found, digest in zip(rows, digests[1:] + digests[:1], strict=True):
            found["image"][0][3] = digest
        expected = "refused"
    elif what == 1:
        where[random.randrange(4)] = random.choice([-1, 0, 2**62, 10**30, None, "x", 1.5, [], "../../etc/passwd"])
    elif what == 2:
        rows[row] = random.choice(
            [{}, [], 5, None, {"image": 5}, {"image": [5]}, {"image": []}, {"zzz": [["x"]]}, {"report": [5]}]
        )
    elif what == 3:
        columns[random.choice(["id", "split", "group"])][row] = random.choice([*STRANGE[:8], *STRANGE[-6:]]).replace(
            "\ud800", ""
        )
    elif what == 4:
        columns[random.choice(["id", "split", "group", "labels", "concepts"])] = random.choice(
            [[None] * len(rows), [5] * len(rows)]
        )
    elif what == 5:
        columns["labels"][row] = random.choice(["", "[]", "5", "{", '{"sex": 5}', "[" * 3000, '{"sex": null}'])
    columns["views"] = [json.dumps(found) for found in rows]
    if what == 6:
        columns.pop(random.choice(sorted(columns)))
    kinds = random.choice(
        [b"", b"[]", b"{}", b'{"image": "os.system"}', b'{"image": "sentinel_module.Kind"}', b'{"image": 5}', b"\xff"]
    )
    metadata = {**table.schema.metadata}
    if random.random() < 0.15:
        metadata = dict.fromkeys(metadata, kinds)
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), _INDEX)
    return expected
