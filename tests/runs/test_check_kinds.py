"""Encoders that take something else than the data give are refused when the config is built."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.training.config import write_config
from tests.training.tiny import tiny_encoders
from torch import Tensor

from closegap.cli import main
from closegap.errors import UsageError
from closegap.kinds import CodesKind, ImageKind, Kind, RecordKind, TextKind
from closegap.models import Encoder
from closegap.runs.check_kinds import check_kinds


class Silent(Encoder):
    """An encoder that does not say what it takes."""

    dim = 1

    def preparer(self) -> Any:
        return list

    def forward(self, inputs: Sequence[Any]) -> Tensor:
        raise NotImplementedError


def test_what_fits_passes_whatever_the_data_lack() -> None:
    check_kinds({"report": TextKind(), "record": RecordKind(), "more": ImageKind()}, tiny_encoders())
    check_kinds({"concepts": CodesKind("|")}, tiny_encoders())


def test_every_mismatch_is_named_by_its_key() -> None:
    kinds: dict[str, Kind] = {"report": ImageKind(), "record": TextKind(), "concepts": CodesKind()}
    with pytest.raises(UsageError) as caught:
        check_kinds(kinds, tiny_encoders())
    assert str(caught.value) == (
        "model.encoders.report: SmallTextEncoder takes TextKind, the data give ImageKind for 'report'; "
        "model.encoders.record: RecordEncoder takes RecordKind, the data give TextKind for 'record'; "
        "name another encoder there, or another kind in the data"
    )


def test_an_encoder_that_does_not_say_what_it_takes() -> None:
    with pytest.raises(UsageError, match=r"model\.encoders\.note: Silent does not say what it takes; give the class"):
        check_kinds({"note": TextKind()}, {"note": Silent()})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"kind": "record", "categories": ["report"]},
            "model.encoders.report: SmallTextEncoder takes TextKind, the data give RecordKind for 'report'",
        ),
        (
            {"kind": "txt", "columns": ["report"]},
            "data.modalities.report.kind: 'txt' is no kind; expected audio, codes, dicom, events, image, record, "
            "signal, text, video",
        ),
        (
            {"kind": "my_package.SignalKind", "columns": ["report"]},
            "data.modalities.report.kind: 'my_package.SignalKind' cannot be had (No module named 'my_package')",
        ),
        (
            {"kind": "text", "columns": ["report"], "separator": "|"},
            "data.modalities.report.separator: a cell of kind text is not separated; leave it out",
        ),
        ({"kind": "text"}, "data.modalities.report: a modality of kind text is described by columns, and by nothing"),
    ],
)
def test_a_config_that_does_not_fit_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], columns: dict[str, Any], message: str
) -> None:
    config = write_config(tmp_path, steps=2)
    content = json.loads(config.read_text(encoding="utf-8"))
    content["data"]["init_args"]["modalities"]["report"] = columns
    config.write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "cases.csv").write_text("nothing is read", encoding="utf-8")
    assert main(["train", "--config", str(config), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"closegap: {message}")
    assert not (tmp_path / "run").exists()
