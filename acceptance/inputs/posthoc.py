"""Files of post-hoc methods that are damaged or name what they should not."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from shutil import copy
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import damage_file
from acceptance.inputs.judged import same_tensors

_METHOD = Path("method.safetensors")
_HEADER = "closegap_posthoc"
_VALUES: Mapping[str, Sequence[Any]] = {
    "class": (
        *("os.system", "subprocess.Popen", "builtins.eval", 5, None, "", "sentinel_module.Method"),
        *("closegap.posthoc.PostHoc", "closegap.posthoc.Whiten", "closegap.posthoc.center.Center\n"),
    ),
    "settings": (5, [], None, {"x": 1}, {"fraction": "x"}, {"fraction": float("nan")}, {"fraction": -3}),
    "modalities": ([], 5, ["report"], ["a", "b"], None, "report", ["record", "report"]),
    "width": (0, "x", None, 7, 4.5, -1, 10**30),
    "format": (2, "1", None),
    "row_numbered": (None, "x", True, []),
}


def make(place: Place) -> Case:
    """Such a method, applied to a sound set."""
    random, expected = place.random, "any"
    copy(place.sound / "method.safetensors", _METHOD)
    kind = random.random()
    if kind < 0.05:
        expected = "taken"
    elif kind < 0.4:
        key = random.choice(sorted(_VALUES))
        value = random.choice(_VALUES[key])
        _rewrite(lambda header: header | {key: value})
    elif kind < 0.45:
        text = random.choice(["5", "[]", "null", "x", "[" * 3000, "{}"])
        save_file(load_file(_METHOD), _METHOD.with_suffix(".new"), metadata={_HEADER: text})
        _METHOD.with_suffix(".new").rename(_METHOD)
    elif kind < 0.7:
        _change_tensors(random)
    else:
        damage_file(random, _METHOD)
    moved = place.sound.absolute() / "moved.safetensors"
    arguments = ["posthoc", "apply", str(_METHOD), str(place.sound / "set.safetensors"), "--out", "out.safetensors"]
    return Case(arguments, expected, lambda: same_tensors(Path("out.safetensors"), moved))  # type: ignore[arg-type]


def _rewrite(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    with safe_open(_METHOD, framework="pt") as opened:
        header = json.loads(opened.metadata()[_HEADER])
    tensors = {name: tensor.clone() for name, tensor in load_file(_METHOD).items()}
    save_file(tensors, _METHOD, metadata={_HEADER: json.dumps(change(header))})


def _change_tensors(random: Random) -> None:
    with safe_open(_METHOD, framework="pt") as opened:
        metadata = opened.metadata()
    tensors = {name: tensor.clone() for name, tensor in load_file(_METHOD).items()}
    name = random.choice(sorted(tensors))
    value = tensors[name]
    other = [
        *(
            torch.zeros(3, 3, 3),
            torch.zeros(()),
            torch.zeros(2, dtype=torch.long),
            value.float(),
            value[:0],
            value != 0,
        ),
        *(value.double() * torch.nan, value + value.new_ones(()), torch.cat([value, value])),
    ]
    tensors[name] = random.choice(other)
    if random.random() < 0.15:
        del tensors[name]
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, _METHOD, metadata=metadata)
