import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.export.conftest import random_set

from closegap.cli import main
from closegap.errors import UsageError
from closegap.export.sentence_transformers import write_sentence_transformers
from closegap.models import (
    CanonicalHead,
    Encoder,
    LinearHead,
    MLPHead,
    Model,
    SmallTextEncoder,
    TransformersTextEncoder,
)
from closegap.models.heads import Head
from closegap.posthoc import Canonical, ReAlign, Whiten

TEXTS = ["A large effusion on the left.", "nodule", "normal chest ct of the lung and no masses, no nodule " * 4]
WIDTHS = 16, 8

_WITHOUT_US = """
import sys
import numpy as np

sys.modules["closegap"] = None
from sentence_transformers import SentenceTransformer

folder, out, *texts = sys.argv[1:]
model = SentenceTransformer(folder, device="cpu", trust_remote_code=False, local_files_only=True)
np.savez(out, **{name: model.encode(texts, task=name, show_progress_bar=False) for name in ("note", "report")})
"""


class Halves(LinearHead):
    """An outsider's, of one matrix all the same."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) / 2


def two(bert: Path, head: Callable[[int, int], Head], pooling: Any = "mean") -> Model:
    torch.manual_seed(0)
    towers: dict[str, Encoder] = {
        name: TransformersTextEncoder(str(bert), pooling=pooling, max_length=20) for name in ("note", "report")
    }
    model = Model(towers, WIDTHS[1], head).eval()
    for name, parameter in model.heads.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(parameter)
    return model


def fitted_head(features: int, dim: int) -> CanonicalHead:
    head = CanonicalHead(features, dim, hidden=4)
    torch.nn.init.normal_(head.mean, std=0.1)
    torch.nn.init.normal_(head.map)
    return head


def trained_head(features: int, dim: int) -> CanonicalHead:
    head = fitted_head(features, dim)
    torch.nn.init.normal_(head.contract.bias)
    return head


def test_two_towers_are_routes_that_load_without_us(bert: Path, tmp_path: Path) -> None:
    moved = Whiten().fit(random_set(("note", "report"), WIDTHS[1]))
    model = two(bert, lambda features, dim: MLPHead(features, dim, hidden=12)).with_posthoc(moved)
    model.save_pretrained(tmp_path / "model")
    out, rows = tmp_path / "out", tmp_path / "rows.npz"
    assert main(["export", str(tmp_path / "model"), "--sentence-transformers", str(out)]) == 0
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_US, str(out), str(rows), *TEXTS], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    expected = model.embed(note=TEXTS, report=TEXTS)
    with np.load(rows) as found:
        for name in model.modalities:
            torch.testing.assert_close(torch.from_numpy(found[name]), expected[name], rtol=0, atol=1e-5)
    assert (expected["note"] - expected["report"]).abs().max() > 0.01
    assert "library_name: sentence-transformers" in (out / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("head", [LinearHead, Halves, fitted_head], ids=["linear", "an outsider's", "canonical"])
def test_heads_of_one_matrix_are_modules(head: Callable[[int, int], Head], bert: Path, tmp_path: Path) -> None:
    write_sentence_transformers(two(bert, head, "cls"), tmp_path / "out", ["report"])  # which compares what comes out
    assert (tmp_path / "out" / "modules.json").is_file()


def test_what_has_no_native_modules_is_one_line(bert: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    small = Model({"a": SmallTextEncoder(dim=16, heads=2), "b": SmallTextEncoder(dim=16, heads=2)}, 8)
    with pytest.raises(UsageError, match=r"^a: SmallTextEncoder has no native modules of sentence-transformers"):
        write_sentence_transformers(small, out)
    with pytest.raises(UsageError, match=r"^note: CanonicalHead has no native modules of"):
        write_sentence_transformers(two(bert, trained_head), out)
    linear, rows = two(bert, LinearHead), random_set(("note", "report"), WIDTHS[1])
    for method in (ReAlign(), Canonical(dim=4, ridge=0.1, power=0.0, keep=0.5)):
        with pytest.raises(
            UsageError, match=rf"{type(method).__name__} has no native modules of sentence-transformers"
        ):
            write_sentence_transformers(linear.with_posthoc(method.fit(rows)), out, ["report"])
    with pytest.raises(UsageError, match=r"^no modality 'notes'; the model has note, report"):
        write_sentence_transformers(linear, out, ["notes"])
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        write_sentence_transformers(linear, tmp_path / "there")
    assert [file.name for file in tmp_path.iterdir()] == ["there"]
