"""A kind that closegap does not know, from files to the report, through the public commands."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.extension.signal import SignalEncoder, SignalKind

from closegap.cli import main
from closegap.data import Columns, Manifest, Shards, load_cases
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import DataError
from closegap.report.items import hover_texts
from closegap.testing import check_encoder, check_kind

KIND, ENCODER = "tests.extension.signal.SignalKind", "tests.extension.signal.SignalEncoder"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """24 leads, slow and fast ones, with what was said of them."""
    random = np.random.default_rng(0)
    lines = ["id,split,ecg,report"]
    for number in range(24):
        beats = 1 + number % 4
        np.save(tmp_path / f"{number}.npy", np.sin(np.linspace(0, beats * 6, 64)) + 0.1 * random.normal(size=64))
        lines.append(
            f"c{number},{'train' if number < 16 else 'validation'},{number}.npy,{beats} beats of case {number}"
        )
    path = tmp_path / "cases.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def config(table: Path) -> dict[str, Any]:
    modalities = {"ecg": {"kind": KIND, "columns": ["ecg"]}, "report": {"kind": "text", "columns": ["report"]}}
    small = {"dim": 16, "layers": 1, "heads": 2, "max_length": 8, "buckets": 256}
    encoders = {
        "ecg": {"class_path": ENCODER, "init_args": {"length": 64, "dim": 16}},
        "report": {"class_path": "closegap.models.SmallTextEncoder", "init_args": small},
    }
    return {
        "data": {
            "class_path": "closegap.data.Manifest",
            "init_args": {"path": str(table), "modalities": modalities},
        },
        "model": {"encoders": encoders, "dim": 8},
        "train": {"steps": 4, "batch_size": 8, "trackers": []},
    }


def written(folder: Path, content: dict[str, Any]) -> str:
    path = folder / "config.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
    return str(path)


def test_they_hold_to_what_every_kind_and_encoder_must() -> None:
    signals = [tuple(np.sin(np.linspace(0, beats, length)).tolist()) for beats, length in ((6, 64), (12, 90), (6, 40))]
    check_kind(SignalKind(), signals)
    check_encoder(SignalEncoder(length=64, dim=16), signals)


def test_signals_train_and_the_report_plots_them(table: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(["train", "--config", written(tmp_path, config(table)), "--out", str(run)]) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count("polyline points") >= 8  # every case of the validation split is a query or a hit
    assert "beats of case 20" in page
    out = tmp_path / "set.safetensors"
    assert main(["embed", str(run), "--split", "validation", "--out", str(out)]) == 0
    assert EmbeddingSet.load(out).modalities == ("ecg", "report")


def test_signals_travel_in_shards(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = json.dumps(config(table)["data"])
    shards, run = tmp_path / "shards", tmp_path / "run"
    assert main(["shard", "--data", data, "--out", str(shards)]) == 0
    source = Manifest(table, {"ecg": Columns(KIND, ["ecg"]), "report": Columns("text", ["report"])})
    expected = {case.id: case.views for held in load_cases(source).splits.values() for case in held}
    found = load_cases(Shards(shards, {"ecg": SignalKind()}))
    assert {case.id: case.views for held in found.splits.values() for case in held} == expected
    capsys.readouterr()

    sharded = config(table) | {"data": {"class_path": "closegap.data.Shards", "init_args": {"root": str(shards)}}}
    assert main(["train", "--config", written(tmp_path, sharded), "--out", str(run)]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert f"modality 'ecg' is of kind {KIND}, which is none of closegap's" in message
    assert not run.exists()
    sharded["data"]["init_args"]["kinds"] = {"ecg": {"class_path": KIND}}
    assert main(["train", "--config", written(tmp_path, sharded), "--out", str(run)]) == 0


def test_what_is_no_signal_is_one_line(table: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "3.npy", np.array([1.0, np.nan]))
    (tmp_path / "5.npy").write_text("no array")
    source = Manifest(table, {"ecg": Columns(KIND, ["ecg"])})
    with pytest.raises(DataError, match=r"cases\.csv, line 7: modality 'ecg': .*5\.npy: no \.npy file of a signal"):
        load_cases(source)
    np.save(tmp_path / "5.npy", np.ones(5))
    with pytest.raises(DataError, match="case 'c3': modality 'ecg': expected finite samples"):
        load_cases(source)


def test_hovers_tell_what_words_can_say(table: Path) -> None:
    source = Manifest(table, {"ecg": Columns(KIND, ["ecg"]), "report": Columns("text", ["report"])})
    cases = load_cases(source).split("validation")[:2]
    rows = np.eye(2, 3, dtype=np.float32)
    embeddings = EmbeddingSet({"ecg": rows, "report": rows}, [case.id for case in cases])  # type: ignore[dict-item]
    assert hover_texts(embeddings, cases, source.kinds) == ["1 beats of case 16", "2 beats of case 17"]
