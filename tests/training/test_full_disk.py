"""A run on a disk that is full at any of its writes goes on from there once there is space."""

from pathlib import Path

import pytest
from safetensors.torch import load_file
from tests.test_disk import no_file_above
from tests.training.config import write_config

from closegap.errors import ClosegapError
from closegap.report.training_page import write_training_report
from closegap.training.train import resume, train


def _train(config: Path, folder: Path) -> None:
    """What `closegap train` does, in a new folder or on in one that holds a run."""
    found = resume(folder) if (folder / "config.yaml").exists() else train(config, folder)
    write_training_report(found)


def _result(folder: Path) -> dict[str, object]:
    """What is the same on any machine and day."""
    found = {path for name in ("config.yaml", "skipped.csv", "report.json") for path in folder.glob(name)}
    found |= set((folder / "checkpoints").rglob("*.*"))
    result: dict[str, object] = {str(path.relative_to(folder)): path.read_bytes() for path in found}
    start = load_file(folder / "embeddings" / "validation-start.safetensors")  # the order of its header is not kept
    return result | {name: rows.numpy().tobytes() for name, rows in start.items()}


def test_a_disk_that_is_full_at_one_write_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOSEGAP_CACHE", str(tmp_path / "cache"))
    # Of so many cases that what validation keeps is larger than the config.
    config = write_config(tmp_path, cases=96, steps=6, checkpoint_every=2, validate_every=3)
    _train(config, tmp_path / "alone")
    expected = _result(tmp_path / "alone")
    files = [path for path in (tmp_path / "alone").rglob("*.*") if path.is_file()]
    for name in ("config.yaml", "validation-start.safetensors", "optimizer.safetensors", "report.html"):
        if name == "optimizer.safetensors":  # of a finished run, it is gone
            size = 2 * next(path.stat().st_size for path in files if path.name == "model.safetensors")
        else:
            size = next(path.stat().st_size for path in files if path.name == name)
        folder = tmp_path / f"full at {name}"
        with no_file_above(size - 1), pytest.raises(ClosegapError) as refused:
            _train(config, folder)
        place, _, reason = str(refused.value).partition(": ")
        assert reason == "cannot be written (File too large); see that it can be written"
        assert Path(place) == folder / {
            "validation-start.safetensors": "embeddings/validation-start.safetensors",
            "optimizer.safetensors": "checkpoints/step-00000002",
        }.get(name, name)
        assert not list(folder.rglob(".*"))
        _train(config, folder)
        assert _result(folder) == expected
