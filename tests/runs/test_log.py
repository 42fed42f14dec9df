import json
from pathlib import Path

import pytest
from tests.test_disk import no_file_above

from closegap.errors import ClosegapError, DataError
from closegap.runs.log import MetricsLog, read_metrics


def test_lines_are_appended_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    log = MetricsLog(path, 0)
    assert path.read_text() == ""
    log.write(0, {"validation/gap": 0.5})
    log.write(10, {"loss": 1.25, "lr": 0.1})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"step": 0, "validation/gap": 0.5},
        {"step": 10, "loss": 1.25, "lr": 0.1},
    ]
    assert read_metrics(path) == [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_that_goes_on_drops_what_will_come_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, 0)
    for step in (0, 10, 20, 30):
        log.write(step, {"loss": float(step)})
    with path.open("a") as file:
        file.write('{"step": 40, "lo')  # a kill
    assert [row["step"] for row in read_metrics(path)] == [0, 10, 20, 30]
    MetricsLog(path, 20).write(25, {"loss": 0.0})
    assert [row["step"] for row in read_metrics(path)] == [0, 10, 20, 25]


def test_a_run_that_starts_anew_drops_everything(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    MetricsLog(path, 0).write(0, {"loss": 1.0})
    MetricsLog(path, 0)
    assert read_metrics(path) == []
    assert read_metrics(tmp_path / "nothing.jsonl") == []


def test_a_line_that_the_disk_has_no_room_for_is_one_error_and_no_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, 0)
    log.write(0, {"loss": 1.0})
    with (
        no_file_above(30),
        pytest.raises(ClosegapError, match=r"/metrics\.jsonl: cannot be written \(File too large\)"),
    ):
        log.write(10, {"loss": 1.0})
    log.sync()
    assert [row["step"] for row in read_metrics(path)] == [0]


@pytest.mark.parametrize("damage", [b"\xff\xfe\n", b'{"step": "2"}\n', b"[1]\n", b"\n"])
def test_a_damaged_line_is_told_and_one_that_was_cut_short_is_left_out(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2, "lo')
    assert read_metrics(path) == [{"step": 1}]
    path.write_bytes(b'{"step": 1}\n' + damage + b'{"step": 3}\n')
    with pytest.raises(DataError, match=r"metrics\.jsonl, line 2: damaged"):
        read_metrics(path)
