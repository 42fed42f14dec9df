"""YAML that is no config: one line, soon, and little memory."""

import math
import time
import tracemalloc
from pathlib import Path

import pytest

from closegap.errors import UsageError
from closegap.runs.config import run_config
from closegap.runs.config_file import expect_small, read_config_file

_BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_BOMB, ", line 6: not YAML (over 100000 values, those that aliases stand for included);"),
        ("a: &a [*a]", ", line 1: not YAML (*a stands inside itself);"),
        ("a: &a {b: *a}", ", line 1: not YAML (*a stands inside itself);"),
        (f"a: {'[' * 99}{']' * 99}", ", line 1: not YAML (nested in over 40 levels);"),
        (f"a: {'[' * 3000}{']' * 3000}", ", line 1: not YAML ("),
        ("a: " + "[" * 500_000, ", line 1: not YAML ("),
        ("a:\n" + "- x\n" * 200_000, ", line 99999: not YAML (over 100000 values"),
        ("a: " + "x" * 2**20, ": larger than 1 MiB;"),
        ("seed: 1\narm: a\nseed: 2", ", line 3: not YAML (the key 'seed' comes twice);"),
        ("train: {steps: 1, steps: 2}", ", line 1: not YAML (the key 'steps' comes twice);"),
        ("seed: " + "9" * 5000, ", line 1: not YAML (a number of over 300 digits);"),
        ("1: x", ", line 1: not YAML (a key '1' that is no text);"),
        ("null: x", ", line 1: not YAML (a key 'null' that is no text);"),
        ("[a, b]: x", ", line 1: not YAML (a key of several parts that is no text);"),
        ("a: !!binary eA==", ", line 1: not YAML (a value of the type 'tag:yaml.org,2002:binary');"),
        ("a: !!python/object/apply:os.system [ls]", ", line 1: not YAML (a value of the type"),
        ("a: !!int x", ": not YAML (a value cannot be read: "),
        ("a: b: c", ", line 1: not YAML ("),
        ("a: *nowhere", ", line 1: not YAML (found undefined alias);"),
        ("a: 1\n---\nb: 2", "not YAML ("),
        ("a: \x1b]0;x\x07", ": not a text file in UTF-8;"),
        ("", ": empty; expected keys and values"),
        ("- a", ": expected keys and values, such as data: and model:, found a list"),
        ("5", ": expected keys and values, such as data: and model:, found 5"),
    ],
)
def test_what_is_no_config_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content, encoding="utf-8")
    tracemalloc.start()
    begun = time.process_time()
    with pytest.raises(UsageError) as caught:
        run_config(path)
    took, (_, peak) = time.process_time() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert took < 30  # watched by tracemalloc; seconds at most without
    assert peak < 200 * 2**20


def test_bytes_that_are_no_text_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"arm: \xff\xfe")
    with pytest.raises(UsageError, match="not a text file in UTF-8"):
        read_config_file(path)


def test_plain_yaml_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "base: &base {lr: 1e-3, day: 2024-13-45}\nmore: {<<: *base, lr: .5}\nlist: [1_000, .nan, -.inf, 1.5e3, ~, yes]",
        encoding="utf-8",
    )
    found = read_config_file(path)
    assert found["base"] == {"lr": 0.001, "day": "2024-13-45"}
    assert found["more"] == {"lr": 0.5, "day": "2024-13-45"}
    assert math.isnan(found["list"].pop(1))
    assert found["list"] == [1000, -math.inf, 1500.0, None, True]


def test_a_text_inside_a_config_is_no_way_round() -> None:
    with pytest.raises(UsageError, match=r"train\.lr: over 100000 values"):
        run_config({"train": {"lr": _BOMB}})
    for depth, message in ((99, "nested in over 40 levels"), (3000, "given, expected a number")):
        with pytest.raises(UsageError, match=message) as caught:
            run_config({"arm": "a"}, ["--train.lr", "[" * depth])
        assert len(str(caught.value)) < 200
    for text in ("", "a: b: c", "*x", "C:\\images", "[a", "text: with 'quotes"):
        expect_small(text, "arm")


@pytest.mark.parametrize("key", ["__path__", "__default_config__", "__init__"])
def test_keys_of_the_parser_are_none_of_a_config(key: str) -> None:
    with pytest.raises(UsageError, match=f"^{key}: no such key$"):
        run_config({key: "x"})
    with pytest.raises(UsageError, match=f"^train.{key}: no such key$"):
        run_config({"train": {key: "x"}})
