"""Files of post-hoc methods that are damaged or name what they should not."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from shutil import copy
from typing import Any

import torch
from torch import Tensor

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import damage_file
from acceptance.inputs.judged import same_tensors
from acceptance.inputs.tensors import parts, rewrite, says

_METHOD = Path("method.safetensors")
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
    tensors, metadata = parts(_METHOD)
    kind, sealed = random.random(), random.random() < 0.5
    if kind < 0.05:
        expected, sealed = "taken", False
    elif kind < 0.4:
        key = random.choice(sorted(_VALUES))
        said = {**says(metadata), key: random.choice(_VALUES[key])}
        rewrite(_METHOD, tensors, dict.fromkeys(metadata, said), sealed)
    elif kind < 0.45:
        text = random.choice(["5", "[]", "null", "x", "[" * 3000, "{}"])
        rewrite(_METHOD, tensors, dict.fromkeys(metadata, text))
    elif kind < 0.7:
        rewrite(_METHOD, _changed(random, tensors), metadata, sealed)
    else:
        sealed = False
        damage_file(random, _METHOD)
    moved = place.sound.absolute() / "moved.safetensors"
    wrong = None if sealed else lambda: same_tensors(Path("out.safetensors"), moved)
    arguments = ["posthoc", "apply", str(_METHOD), str(place.sound / "set.safetensors"), "--out", "out.safetensors"]
    return Case(arguments, expected, wrong)  # type: ignore[arg-type]


def _changed(random: Random, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    name = random.choice(sorted(tensors))
    value = tensors.pop(name)
    number = value.double()
    others = (
        torch.zeros(3, 3, 3),
        torch.zeros(()),
        torch.zeros(2, dtype=torch.long),
        value.float(),
        value[:0],
        value != 0,
    )
    more = (number * torch.nan, value + value.new_ones(()), torch.cat([value, value]), number * 1e300)
    return tensors if random.random() < 0.15 else {**tensors, name: random.choice([*others, *more])}
