"""Configs that are no YAML, too much of it, or YAML of an unusual kind."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from acceptance.inputs.case import Case, Place
from acceptance.inputs.damage import SHELL, STRANGE, flipped
from acceptance.inputs.keys import places, replaced, whole_config


def _laughs(levels: int, each: int) -> str:
    """Lists of aliases of lists: a few bytes that stand for each ** levels items."""
    return "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * each) if level else 'x'}]\n" for level in range(levels)
    )


_TEXTS = (
    *("a: &a [*a]\n", "data: &d\n  x: *d\n", "&a a: *a\n", "a: *nowhere\n", "<<: 5\n", "<<: [a]\n", "<<: {seed: 1}\n"),
    *(f"data: !!python/object/apply:os.system ['{SHELL}']\n", "data: !!python/name:os.system\n", "data: !!binary x\n"),
    *("data: !!int x\n", "data: !!set {a, b}\n", "data: !!omap [a]\n", "!!map x", "? [a, b]\n: c\n", "? {a: b}\n: c\n"),
    *(
        "seed: 2024-13-45\n",
        "seed: 2024-02-30\n",
        "arm: 2024-01-01\n",
        "a: 0:99:99\n",
        "1: 2\n",
        "null: 1\n",
        "true: 1\n",
    ),
    *(
        "a: b: c\n",
        "%YAML 9.9\n---\na: 1\n",
        "---\na: 1\n---\nb: 2\n",
        "\t\n",
        "a:\t- b\n",
        "data: 'x\n",
        "a: |\n  x\n b\n",
    ),
    *(
        "[" * 2000,
        "{a: " * 500,
        "- " * 3000 + "a\n",
        "a: " + "[" * 900 + "]" * 900,
        "\x85: 1\n",
        "a: \x07\n",
        "\ufeffarm: x\n",
    ),
    *("seed: 0b1111\n", "seed: 0o17\n", "seed: 1_000\n", "seed: 1e3\n", "seed: .inf\n", "seed: " + "9" * 5000 + "\n"),
    *(
        "arm: ~\n",
        "arm: 5\n",
        "arm: [a]\n",
        "config: x.yaml\n",
        "out: elsewhere\n",
        "resume: runs/a\n",
        "__path__: x\n",
    ),
    *(
        "train: {steps: 1, steps: 2}\n",
        "seed: 1\nseed: 2\n",
        "=: 1\n",
        "data: =\n",
        "train: 5\n",
        "checks: 5\n",
        "objective: x\n",
    ),
    *(_laughs(9, 9), _laughs(6, 12), _laughs(3, 5), "a: " + "x" * 2_000_000, "arm: 'a\\u0007b'\n", "\0", "\xff"),
)


def make(place: Place) -> Case:
    """Training with such a config, one step of it where it is sound."""
    random = place.random
    config, kind = whole_config(place.sound), random.random()
    path, expected = Path("config.yaml"), "any"
    if kind < 0.04:
        path.write_text(yaml.safe_dump(config))
        expected = "taken"
    elif kind < 0.4:
        text, base = random.choice(_TEXTS), yaml.safe_dump(config)
        path.write_text(random.choice([text, base + text, text + base]), encoding="utf-8", errors="surrogatepass")
    elif kind < 0.5:
        path.write_bytes(flipped(random, yaml.safe_dump(config).encode()))
    elif kind < 0.55:
        path.write_bytes(yaml.safe_dump(config).encode(random.choice(["utf-16", "utf-32", "latin-1"])) + b"\xff")
    elif kind < 0.6:
        path.mkdir()
    else:
        where = random.choice(places(config))
        path.write_text(json.dumps(_changed(place, config, where)))
    verb = random.choice(["train"] * 6 + ["shard", "study"])
    arms = ["--arms", str(path)] if verb == "study" and random.random() < 0.5 else []
    configs = ["--config", str(place.sound / "config.yaml")] if arms else ["--config", str(path)]
    if verb == "study" and not arms:
        arms = ["--arms", str(place.sound / "arm.yaml")]
    return Case([verb, *configs, *arms, "--out", "out"], expected if verb == "train" else "any")  # type: ignore[arg-type]


def _changed(place: Place, config: dict[str, Any], where: tuple[Any, ...]) -> dict[str, Any]:
    random = place.random
    values: list[Any] = [
        *(*STRANGE, [], {}, [[1]], {"a": 1}, [where[-1]] * 3, str(date(2024, 1, 1)), True),
        *(
            {"class_path": name}
            for name in ("os.system", "subprocess.Popen", "builtins.eval", 5, None, "", ".", "closegap")
        ),
        *(
            {"class_path": name, "init_args": {"command": SHELL, "args": ["sh", "-c", SHELL]}}
            for name in ("os.system", "subprocess.Popen")
        ),
        *(
            "os.system",
            "builtins.exec",
            "subprocess.getoutput",
            {"class_path": "closegap.losses.base.Loss"},
            {"init_args": {}},
        ),
        *({"class_path": "torch.nn.Module"}, {"class_path": "torch.nn.Linear"}, {"class_path": "functools.partial"}),
        {"class_path": "closegap.losses.GapClosing", "init_args": 5},
    ]
    return replaced(config, where, random.choice(values))
