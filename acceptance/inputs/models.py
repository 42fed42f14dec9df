"""Folders of models, as they are shared, that are damaged or name what they should not."""

import json
from pathlib import Path
from random import Random
from shutil import copytree
from typing import Any

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import damage_file
from acceptance.inputs.keys import places, replaced
from acceptance.inputs.tensors import parts, rewrite

_MODEL = Path("model")
_VALUES: tuple[Any, ...] = (
    *(
        None,
        -1,
        0,
        10**30,
        float("nan"),
        "",
        "x",
        [],
        {},
        True,
        "os.system",
        "subprocess.Popen",
        "sentinel_module.Tower",
    ),
    *("../../../etc", "/etc/passwd", "a" * 5000, {"a": 1}, "closegap.models.LinearHead", "torch.nn.Linear"),
)


def make(place: Place) -> Case:
    """What a loaded model says of two reports, as a program would ask."""
    random, expected = place.random, "any"
    copytree(place.sound / "model", _MODEL)
    kind = random.random()
    files = sorted(file for file in _MODEL.rglob("*") if file.is_file())
    if kind < 0.05:
        expected = "taken"
    elif kind < 0.5:
        damage_file(random, random.choice(files))
    elif kind < 0.9:
        path = random.choice([file for file in files if file.suffix == ".json"])
        described = json.loads(path.read_text())
        path.write_text(json.dumps(replaced(described, random.choice(places(described)), random.choice(_VALUES))))
    else:
        _change_tensors(random, random.choice([file for file in files if file.suffix == ".safetensors"]))
    sound = place.sound.absolute() / "model"
    answers: list[Any] = []

    def call() -> None:
        import closegap

        answers.append(_answer(closegap.load(_MODEL)))

    def wrong() -> str:
        import closegap

        same = answers[0].shape == (expected := _answer(closegap.load(sound))).shape and bool(
            (answers[0] == expected).all()
        )
        return "" if same else "a damaged model loads and embeds otherwise"

    return Case(["closegap.load('model')"], expected, wrong, call=call)  # type: ignore[arg-type]


def _answer(model: Any) -> Any:
    return model.embed(report=["mass of 3 mm", "effusion"])["report"]


def _change_tensors(random: Random, file: Path) -> None:
    tensors, metadata = parts(file)
    name = random.choice(sorted(tensors))
    value = tensors[name]
    others = [value.half(), value.double(), value.long(), value != 0, value[..., None], value * float("nan")]
    rewrite(file, {**tensors, name: random.choice(others)}, metadata)
