"""What a person gets wrong: one line that says what was given and what to do, and nothing half-written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli import tiny
from tests.cli.tiny import Cli
from tests.processes import start


def refused(cli: Cli, tmp_path: Path, code: int, *arguments: object) -> str:
    """The message of a call that must fail and leave nothing behind."""
    found = cli(*arguments, "--out", tmp_path / "out")
    assert found.code == code, found
    assert found.out == ""
    assert found.err.count("\n") == 1
    assert found.err.startswith("closegap: ")
    assert found.err[:-1].isprintable()  # no escape codes
    assert not (tmp_path / "out").exists()
    return found.err[len("closegap: ") : -1]


def refused_training(cli: Cli, tmp_path: Path, code: int, config: dict[str, Any], *more: object) -> str:
    file = tiny.write(tmp_path / "config.yaml", config)
    return refused(cli, tmp_path, code, "train", "--config", file, *more)


def roco_config(root: Path) -> dict[str, Any]:
    encoders = {"image": tiny.IMAGE, "caption": tiny.REPORT}
    return tiny.config(tiny.roco(root)) | {"model": {"encoders": encoders, "dim": 8}}


def test_no_such_folder(cli: Cli, tmp_path: Path) -> None:
    config = roco_config(tmp_path / "roco")
    message = refused_training(cli, tmp_path, 1, config, "--data.root", tmp_path / "nowhere")
    assert message == (
        f"{tmp_path / 'nowhere'}: no such folder; expected ROCO's, which contains data/ (name it with --data.root)"
    )


def test_no_captions_file(cli: Cli, tmp_path: Path) -> None:
    config, folder = roco_config(tmp_path / "roco"), tmp_path / "roco" / "data" / "train" / "radiology"
    (folder / "captions.txt").unlink()
    message = refused_training(cli, tmp_path, 1, config)
    assert message == f"{folder}: expected captions.txt in it; get ROCO's text files, they come before the images"


def test_an_empty_caption(cli: Cli, tmp_path: Path) -> None:
    config, file = roco_config(tmp_path / "roco"), tmp_path / "roco" / "data" / "train" / "radiology" / "captions.txt"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join([lines[0], "ROCO_00002\t \n", *lines[2:]]), encoding="utf-8")
    message = refused_training(cli, tmp_path, 1, config)
    assert message.startswith("data/train/radiology/captions.txt, row 2: 'ROCO_00002' has no caption; remove the row")
    assert message.endswith("leave such rows out with --checks.on_error skip")


def missing_image(folder: Path) -> None:
    (folder / "images" / "03.jpg").unlink()


def truncated_image(folder: Path) -> None:
    file = folder / "images" / "03.jpg"
    file.write_bytes(file.read_bytes()[:-60])


def duplicate_id(folder: Path) -> None:
    rows = tiny.read_rows(folder)
    tiny.write_rows(folder, [*rows[:3], ("c2", *rows[3][1:]), *rows[4:]])


def leaking_group(folder: Path) -> None:
    rows = tiny.read_rows(folder)
    tiny.write_rows(folder, [*rows[:-1], (*rows[-1][:2], "p2", *rows[-1][3:])])


def lost_column(folder: Path) -> None:
    table = folder / "cases.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("patient", "person", 1), encoding="utf-8")


_C3 = "cases.csv, line 5, case 'c3': modality 'image': images/03.jpg"


@pytest.mark.parametrize(
    ("damage", "start", "end"),
    [
        (missing_image, f"{_C3}: no such image", "--checks.on_error skip"),
        (truncated_image, f"{_C3}: damaged", "--checks.on_error skip"),
        (duplicate_id, "cases.csv, line 5: id 'c2' is taken by cases.csv, line 4; keep one", "skip"),
        (leaking_group, "group 'p2' is in train and test: ", "split by group, or use --checks.leaks drop"),
        (lost_column, "{data}/cases.csv: expected a column 'patient', found 'id'", "name it with --data.group"),
    ],
)
def test_damaged_data(cli: Cli, tmp_path: Path, damage: Callable[[Path], None], start: str, end: str) -> None:
    config = tiny.config(tiny.manifest(tmp_path / "data"))
    damage(tmp_path / "data")
    message = refused_training(cli, tmp_path, 1, config)
    assert message.startswith(start.format(data=tmp_path / "data"))
    assert message.endswith(end)


def test_a_modality_that_the_data_lack(cli: Cli, tmp_path: Path) -> None:
    message = refused_training(cli, tmp_path, 2, tiny.config(tiny.phantoms(), image="xray"))
    assert message == (
        "the data have no modality 'xray'; they have 'image', 'report', 'record'; "
        "name the towers in model.encoders after them"
    )


@pytest.mark.parametrize("key", ["model.dim", "model.encoders.image.init_args.widths"])
def test_a_checkpoint_of_another_model(cli: Cli, tmp_path: Path, runs: Path, key: str) -> None:
    given = {"model.dim": "16", "model.encoders.image.init_args.widths": "[8, 8, 16, 32]"}[key]
    for verb in (("evaluate", runs / "a"), ("embed", runs / "a")):
        out = tmp_path / ("out.json" if verb[0] == "evaluate" else "out.safetensors")
        found = cli(*verb, f"--{key}", given, "--out", out)
        assert (found.code, found.out, found.err.count("\n")) == (1, "", 1)
        start = f"closegap: {runs / 'a'}/checkpoints/step-0000000"
        assert found.err.startswith(start)
        assert ": checkpoint of another model (" in found.err
        assert not out.exists()


def with_key(path: str, value: object) -> dict[str, Any]:
    """A sound config with one value changed or added."""
    config = yaml.safe_load(yaml.safe_dump(tiny.config(tiny.phantoms())))
    *parents, last = path.split("/")
    place = config
    for parent in parents:
        place = place[parent]
    place[last] = value
    return dict(config)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "nonsense",
            1,
            "nonsense: no such key; there are data, checks, model, loss, objective, train, seed, arm, control, out",
        ),
        ("train/stpes", 3, "train.stpes: no such key; did you mean train.steps?"),
        ("model/dims", 3, "model.dims: no such key; did you mean model.dim?"),
        (
            "data/init_args/siez",
            3,
            "data: closegap.phantom.Phantoms takes no 'siez'; it takes cases, seed,",
        ),
        (
            "model/encoders/image/init_args/siez",
            3,
            "model.encoders.image: closegap.models.SmallImageEncoder takes no 'siez'; it takes size, widths, grid",
        ),
        ("model/encoders/image", "x", "model.encoders.image: 'x' given, expected the import path of a class, package."),
        ("data/class_path", "closegap.data.Nope", "data: class_path 'closegap.data.Nope' cannot be imported (module"),
        ("data/class_path", "nopackage.Nope", "data: class_path 'nopackage.Nope' cannot be imported (No module named"),
        (
            "loss",
            {"class_path": "closegap.phantom.Phantoms"},
            "loss: class_path 'closegap.phantom.Phantoms' is no Loss",
        ),
        (
            "model/encoders/report/init_args/heads",
            3,
            "model.encoders.report.dim: 16 given, expected a multiple of its 3 heads",
        ),
        ("train/batch_size", "big", "train.batch_size: 'big' given, expected a whole number"),
        ("train/steps", "many", "train.steps: 'many' given, expected a whole number from 0 to"),
        ("train/steps", -1, "train.steps: -1 given, expected a whole number from 0 to 2147483647 or null"),
        ("train/lr", "fast", "train.lr: 'fast' given, expected a number"),
        ("train/lr", -1, "train.lr: -1 given, expected a number above 0"),
        ("train/precision", "fp8", "train.precision: 'fp8' given, expected 'no' or 'bf16'"),
        ("train/trackers", ["paper"], "train.trackers, item 1: 'paper' given, expected 'tensorboard' or 'wandb'"),
        ("train/mask_groups", "perhaps", "train.mask_groups: 'perhaps' given, expected true or false"),
        ("train/tower_lr", {"foo": 1}, "train.tower_lr: 'foo' is no modality of the model (image, report)"),
        ("checks", {"max_skipped": 3}, "checks.max_skipped: 3 given, expected a number from 0 to 1"),
        ("model/encoders", {"image": tiny.IMAGE}, "model.encoders: ['image'] given; at least two modalities are"),
    ],
)
def test_a_config_that_cannot_be(cli: Cli, tmp_path: Path, path: str, value: object, expected: str) -> None:
    assert refused_training(cli, tmp_path, 2, with_key(path, value)).startswith(expected)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--nonsense", "3", "--nonsense: no such option; --help lists them"),
        ("--train.stpes", "3", "--train.stpes: no such option; did you mean --train.steps?"),
        ("--train.steps", "many", "train.steps: 'many' given, expected a whole number or null"),
        ("--data.class_path", "closegap.data.Nope", "data: class_path 'closegap.data.Nope' cannot be imported (module"),
        ("--seed", "x", "seed: 'x' given, expected a whole number"),
    ],
)
def test_an_option_that_cannot_be(cli: Cli, tmp_path: Path, option: str, value: str, expected: str) -> None:
    assert refused_training(cli, tmp_path, 2, tiny.config(tiny.phantoms()), option, value).startswith(expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: [1,\nb: }{", ", line 2: not YAML (did not find expected node content); --config expects a YAML"),
        (b"", ": empty; expected keys and values, such as data: and model:"),
        (b"# nothing but a comment\n", ": empty; expected keys and values"),
        (b"just words", ": expected keys and values, such as data: and model:, found 'just words'"),
        (b"- a\n- b\n", ": expected keys and values, such as data: and model:, found a list"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", ": not a text file in UTF-8; --config expects a YAML file"),
        (b"\x00\x01", ": not a text file in UTF-8; --config expects a YAML file"),
    ],
)
@pytest.mark.parametrize("joined", [False, True])
def test_a_file_that_is_no_config(cli: Cli, tmp_path: Path, content: bytes, expected: str, joined: bool) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)
    given = (f"--config={file}",) if joined else ("--config", file)
    assert refused(cli, tmp_path, 2, "train", *given).startswith(f"{file}{expected}")


@pytest.mark.parametrize("verb", [("train",), ("study",)])
def test_a_config_that_is_not_there_or_a_folder(cli: Cli, tmp_path: Path, verb: tuple[str, ...]) -> None:
    nowhere = tmp_path / "nowhere.yaml"
    expected = f"{nowhere}: no such file; --config expects a YAML file"
    assert refused(cli, tmp_path, 2, *verb, "--config", nowhere) == expected
    expected = f"{tmp_path}: a folder; --config expects a YAML file"
    assert refused(cli, tmp_path, 2, *verb, "--config", tmp_path) == expected


def test_no_config_at_all(cli: Cli, tmp_path: Path) -> None:
    expected = "not given: data, model.encoders; name a config that has them with --config FILE"
    assert refused(cli, tmp_path, 2, "train") == expected


def test_a_batch_larger_than_the_data(cli: Cli, tmp_path: Path) -> None:
    message = refused_training(cli, tmp_path, 1, tiny.config(tiny.phantoms()), "--train.batch_size", 1000)
    assert message == "42 training cases, a batch needs 1000; lower --train.batch_size"


def test_a_process_of_its_own_says_the_same(tmp_path: Path) -> None:
    config = tiny.config(tiny.manifest(tmp_path / "data"))
    truncated_image(tmp_path / "data")
    file = tiny.write(tmp_path / "config.yaml", config)
    found = start("train", "--config", file, "--out", tmp_path / "out", seen=tmp_path / "seen").wait()
    assert (found.code, found.out, found.err.count("\n")) == (1, "", 1)
    assert found.err.startswith("closegap: cases.csv, line 5, case 'c3': modality 'image': ")
    assert not (tmp_path / "out").exists()
