"""A large split is embedded in parts: the rows of one pass, whatever stops it and wherever it is done."""

import importlib.util
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from acceptance.forked import Child
from acceptance.moments import Changes, Moment
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.infer.test_embed import CPU
from tests.training.config import write_config

from closegap.data import Case, load_cases
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import ClosegapError, DataError, MissingExtraError, UsageError
from closegap.infer.embed import embed
from closegap.infer.parts import Parts, _digest, embed_in_parts, here
from closegap.infer.prepared import prepare
from closegap.infer.ray import on_ray
from closegap.kinds import ImageKind, RecordKind, TextKind
from closegap.runs.config import parse_run, save_config
from closegap.runs.log import Nobody
from closegap.runs.open import OpenedRun, open_run
from closegap.runs.run import build
from closegap.training.trainer import Trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run; its data have absent records and second reports."""
    folder = tmp_path_factory.mktemp("trained")
    config = write_config(folder, steps=4)
    parsed = parse_run(["--config", str(config)])
    save_config(parsed, folder / "run")
    Trainer(build(parsed), folder / "run", Nobody()).train()
    return folder / "run"


def _at_once(run: Path, split: str = "train") -> EmbeddingSet:
    built = open_run(run).run
    cases = load_cases(built.data, built.checks, built.model.modalities).split(split)
    return embed(built.model, prepare(cases, built.model, None, CPU), CPU)


def _assert_same(found: EmbeddingSet, expected: EmbeddingSet) -> None:
    assert found.modalities == expected.modalities
    assert (found.ids, found.groups, found.labels, found.concepts) == (
        expected.ids,
        expected.groups,
        expected.labels,
        expected.concepts,
    )
    for name in expected.modalities:
        assert torch.equal(found.mask(name), expected.mask(name))
        torch.testing.assert_close(found.embeddings[name], expected.embeddings[name], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("part", [1, 7, 48, 1024])
def test_rows_of_one_pass(run: Path, tmp_path: Path, part: int) -> None:
    out = tmp_path / "train.safetensors"
    found = embed_in_parts(open_run(run), "train", out, part=part)
    _assert_same(found, _at_once(run))
    assert found.meta["split"] == "train"
    assert sorted(file.name for file in tmp_path.iterdir() if file.name != "cache") == [
        "train.parquet",
        "train.safetensors",
    ]


def test_what_is_there_is_not_embedded_again(run: Path, tmp_path: Path) -> None:
    out, asked = tmp_path / "train.safetensors", []

    def failing(opened: OpenedRun, parts: Parts) -> Iterator[tuple[int, bytes]]:
        asked.append(list(parts))
        for number, content in here(opened, parts):
            if number == 3 and len(asked) == 1:
                raise KeyboardInterrupt
            yield number, content

    with pytest.raises(KeyboardInterrupt):
        embed_in_parts(open_run(run), "train", out, workers=failing, part=10)
    assert not out.exists()
    found = embed_in_parts(open_run(run), "train", out, workers=failing, part=10)
    assert asked == [[0, 1, 2, 3, 4], [3, 4]]
    _assert_same(found, _at_once(run))


def test_parts_of_other_work_are_refused(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.safetensors"

    with pytest.raises(KeyboardInterrupt):
        embed_in_parts(open_run(run), "train", out, workers=_stopped, part=10)
    with pytest.raises(UsageError, match="holds parts of another run"):
        embed_in_parts(open_run(run), "validation", out, part=10)
    with pytest.raises(UsageError, match="data or batch size; delete it"):
        embed_in_parts(open_run(run), "train", out, part=10, batch_size=3)


def _stopped(opened: OpenedRun, parts: Parts) -> Iterator[tuple[int, bytes]]:
    yield next(here(opened, parts))
    raise KeyboardInterrupt


@pytest.mark.parametrize("damage", ["cut", "flipped", "of nobody", "of another place"])
def test_damaged_parts_are_embedded_again(run: Path, tmp_path: Path, damage: str) -> None:
    out = tmp_path / "train.safetensors"
    with pytest.raises(KeyboardInterrupt):
        embed_in_parts(open_run(run), "train", out, workers=_stopped, part=10)
    (part,) = tmp_path.glob("*.parts/0*")
    content = part.read_bytes()
    if damage == "cut":
        part.write_bytes(content[:-1])
    elif damage == "flipped":
        part.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    elif damage == "of nobody":
        save_file(load_file(part), part)
    else:
        part.rename(part.with_name("00000001.safetensors"))
    _assert_same(embed_in_parts(open_run(run), "train", out, part=10), _at_once(run))


def test_parts_that_are_embedded_by_somebody_else_are_refused(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "train.safetensors"
    folder = tmp_path / "train.safetensors.parts"
    script = (
        "import sys, time; from pathlib import Path; from closegap.lock import locked\n"
        "with locked(Path(sys.argv[1]), 'embed'):\n    print(flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            with pytest.raises(ClosegapError, match=rf"in use by `closegap embed` \(process {other.pid} on "):
                embed_in_parts(open_run(run), "train", out)
        finally:
            other.kill()
    _assert_same(embed_in_parts(open_run(run), "train", out), _at_once(run))


def test_embeddings_that_are_no_numbers_are_refused(run: Path, tmp_path: Path) -> None:
    opened = open_run(run)
    for head in opened.run.model.heads.values():
        for parameter in head.parameters():
            parameter.data.fill_(torch.nan)
    with pytest.raises(DataError, match="of part 0 is not finite"):
        embed_in_parts(opened, "train", tmp_path / "train.safetensors")
    assert not list(tmp_path.glob("*.safetensors"))


class Addressed:
    """An image whose repr is an address, another one in each process."""

    def __init__(self, level: int) -> None:
        self.level = level

    def open(self) -> Image.Image:
        return Image.new("L", (8, 8), self.level)

    def fingerprint(self) -> bytes:
        return bytes([self.level])


def test_work_is_told_apart_by_weights_and_items(tmp_path: Path) -> None:
    file = tmp_path / "image.png"
    file.write_bytes(b"one")
    for name in ("model.safetensors", "state.json"):
        (tmp_path / name).write_bytes(b"")

    def work(**views: tuple[Any, ...]) -> str:
        kinds = {"image": ImageKind(), "report": TextKind(), "record": RecordKind()}
        return _digest(tmp_path, [Case("a", "test", "a", views)], kinds)

    assert work(image=(Addressed(1),)) == work(image=(Addressed(1),)) != work(image=(Addressed(2),))
    digests = [
        work(image=(file,)),
        work(report=("a", "b")),
        work(report=("a",), record=({"b": 1.0},)),
        work(report=("ab",)),
    ]
    file.write_bytes(b"another")
    digests += [work(image=(file,)), work(record=({"age": 3.0},)), work()]
    (tmp_path / "state.json").write_bytes(b"other frozen towers")
    digests += [work()]
    assert len(set(digests)) == len(digests)


def _killed(seen: Path, run: Path, out: Path) -> dict[str, Any]:
    """Embed until the fifth part is about to be whole."""
    Changes(Moment(out.with_name(out.name + ".parts") / "00000004", "kill", 1))
    embed_in_parts(open_run(run), "train", out, part=2)
    return {}


def test_a_kill_loses_and_repeats_nothing(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "train.safetensors"
    folder = out.with_name(out.name + ".parts")
    assert Child(_killed, run, out, seen=tmp_path / "seen").wait().code == -signal.SIGKILL
    kept = {file: file.stat().st_mtime_ns for file in folder.glob("[0-9]*")}
    assert len(kept) == 4
    seen: list[int] = []

    def counting(opened: OpenedRun, parts: Parts) -> Iterator[tuple[int, bytes]]:
        seen.extend(parts)
        yield from here(opened, parts)

    found = embed_in_parts(open_run(run), "train", out, workers=counting, part=2)
    assert len(seen) == 24 - len(kept)
    _assert_same(found, _at_once(run))


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_two_workers_of_a_ray_cluster(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    for name, value in {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "OMP_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 * 2**20)
    try:
        found = embed_in_parts(open_run(run), "train", tmp_path / "ray.safetensors", workers=on_ray("local"), part=12)
    finally:
        ray.shutdown()
    _assert_same(found, _at_once(run))


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'closegap\[ray\]'"):
        on_ray("local")
