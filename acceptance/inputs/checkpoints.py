"""Runs whose checkpoint, config or log is damaged: what goes on from them ends in the same bits, or is refused."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from shutil import copytree
from typing import Any

import torch
from torch import Tensor

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import damage_file, flipped, payload
from acceptance.inputs.judged import same_tensors
from acceptance.inputs.tensors import parts, rewrite

_RUN = Path("run")
_FILES = ("model.safetensors", "optimizer.safetensors", "loss.safetensors", "state.json")
_NUMBERS: tuple[Any, ...] = (-1, 0, 1, 10**9, 10**400, "x", None, 1.5, [], float("nan"), True)
_LOGS = (
    b"5\n",
    b"null\n[]\n",
    b"{}\n",
    b"\xff\xfe\n",
    b'{"step": "x"}\n',
    b"",
    b'{"step": 1, "loss": "x"}\n',
    b"[" * 5000,
)


def make(place: Place) -> Case:
    """A verb on such a run."""
    random = place.random
    resumed = random.random() < 0.5
    copytree(place.sound / ("stopped" if resumed else "run"), _RUN)  # one has a step left to take
    last = sorted((_RUN / "checkpoints").glob("step-*"))[-1]
    kind, expected, check = random.random(), "any", True
    if kind < 0.04:
        expected = "taken"
    elif kind < 0.45:
        damage_file(random, random.choice([file for file in (last / name for name in _FILES) if file.exists()]))
    elif kind < 0.5:
        one, other = random.sample([file for file in (last / name for name in _FILES) if file.exists()], 2)
        one_bytes, other_bytes = one.read_bytes(), other.read_bytes()
        one.write_bytes(other_bytes)
        other.write_bytes(one_bytes)
    elif kind < 0.75:
        _change_tensors(random, random.choice([file for file in (last / name for name in _FILES[:3]) if file.exists()]))
    elif kind < 0.85:
        _change_state(random, last / "state.json")
    else:
        _change_beside(random)
        check = False
    if resumed:
        sound = place.sound.absolute() / "run"
        return Case(["train", "--resume", "run"], expected, (lambda: _same_run(sound)) if check else None)  # type: ignore[arg-type]
    verb = random.choice(["embed"] * 6 + ["evaluate", "compare"])
    if verb == "embed":
        expected_set = place.sound.absolute() / "set.safetensors"
        check_rows = (lambda: same_tensors(Path("out.safetensors"), expected_set)) if check else None
        return Case(["embed", "run", "--out", "out.safetensors"], expected, check_rows)  # type: ignore[arg-type]
    out = "out.json" if verb == "evaluate" else "out"
    runs = ["run"] if verb == "evaluate" else ["run", str(place.sound / "run")]
    return Case([verb, *runs, "--metrics", "quick", "--out", out], expected)  # type: ignore[arg-type]


def _same_run(sound: Path) -> str:
    """What tells the newest checkpoint from that of the run that nothing happened to."""
    mine, theirs = (sorted((run / "checkpoints").glob("step-*"))[-1] for run in (_RUN, sound))
    if mine.name != theirs.name:
        return f"went on from a damaged checkpoint and ended at {mine.name}, expected {theirs.name}"
    return next(
        (said for file in sorted(theirs.glob("*.safetensors")) if (said := same_tensors(mine / file.name, file))), ""
    )


def _change_tensors(random: Random, file: Path) -> None:
    tensors, metadata = parts(file)
    name = random.choice(sorted(tensors))
    value = tensors[name]
    changes: list[Callable[[], Mapping[str, Tensor | None]]] = [
        *(lambda kind=kind: {name: value.to(kind)} for kind in (torch.long, torch.float16, torch.float64, torch.bool)),
        *(
            lambda number=number: {name: torch.full_like(value, number)}
            for number in ((torch.nan, 0.5) if value.is_floating_point() else (3,))
        ),
        *(
            lambda: {name: None},
            lambda: {name: None, f"{name}x": value},
            lambda: {name: value[..., None].repeat_interleave(2, -1)},
        ),
        *(lambda: {name: torch.zeros(())}, lambda: {"more": value}, lambda: {name: value + value.new_ones(())}),
        *(
            lambda key=key: {key: torch.zeros(2)}
            for key in ("a/b/c", "99/exp_avg", "-1/exp_avg", "x/exp_avg", "0/more")
        ),
    ]
    found = {**tensors, **random.choice(changes)()}
    rewrite(file, {key: tensor for key, tensor in found.items() if tensor is not None}, metadata)


def _change_state(random: Random, file: Path) -> None:
    state = json.loads(file.read_text())
    what = random.choice(["step", "best_step", "best_value", "more", "towers", "list", "deep", "section", "optimizer"])
    if what in ("step", "best_step", "best_value"):
        state["training"][what] = random.choice(_NUMBERS)
    elif what == "more":
        state["training"]["more"] = 1
    elif what == "towers":
        state["frozen_towers"] = random.choice([[], None, 5, {"report": "x"}, "x"])
    elif what == "section":
        del state[random.choice(sorted(state))]
    elif what == "optimizer":
        state["optimizer"] = random.choice(
            [{}, [], None, {"state": {"x": 1}, "groups": {}}, {"state": {}, "groups": {"0": 5}}]
        )
    file.write_text("[" * 5000 if what == "deep" else json.dumps([state] if what == "list" else state))


def _change_beside(random: Random) -> None:
    """Damage what is no checkpoint."""
    what = random.choice(["log", "config", "folder", "file", "start", "environment"])
    if what == "log":
        (_RUN / "metrics.jsonl").write_bytes(random.choice(_LOGS))
    elif what == "config":
        file = _RUN / "config.yaml"
        file.write_bytes(random.choice([flipped(random, file.read_bytes(), 4), b"", payload(), b"data: 5\n", b"[1]"]))
    elif what == "environment":
        damage_file(random, _RUN / "environment.json")
    elif what == "start":
        files = sorted(file for file in _RUN.glob("embeddings/*") if file.is_file())
        damage_file(random, random.choice(files or [_RUN / "metrics.jsonl"]))
    else:
        path = _RUN / "checkpoints" / random.choice(["step-99999999", "step-x", "step-00000001 (copy)", "step-"])
        path.mkdir() if what == "folder" else path.write_text("x")
