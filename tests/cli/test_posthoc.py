import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from closegap.cli.main import main
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.metrics.gap import modality_gap
from closegap.posthoc import PostHoc, Shift

N, WIDTH = 30, 6


def embeddings(seed: int, width: int = WIDTH, modalities: tuple[str, ...] = ("image", "text")) -> EmbeddingSet:
    generator = torch.Generator().manual_seed(seed)
    rows = {
        name: normalize(torch.randn(N, width, generator=generator) + 2 * torch.eye(width)[i], dim=1)
        for i, name in enumerate(modalities)
    }
    labels = {"organ": ["lung", "heart"] * (N // 2)}
    return EmbeddingSet(rows, [f"{seed}-{i}" for i in range(N)], labels=labels)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder with sets, a fitted method, and files that are neither."""
    monkeypatch.chdir(tmp_path)
    embeddings(0).save(Path("train.safetensors"))
    embeddings(1).save(Path("test.safetensors"))
    embeddings(2, WIDTH + 1).save(Path("wide.safetensors"))
    embeddings(3, modalities=("image", "sound")).save(Path("sound.safetensors"))
    Shift().fit(embeddings(0)).save(Path("fitted.safetensors"))
    Path("noise.safetensors").write_bytes(b"noise")
    Path("noise.parquet").write_bytes(b"noise")
    return tmp_path


def fit(*arguments: str) -> int:
    return main(["posthoc", "fit", "--train", "train.safetensors", "--out", "m.safetensors", "--overwrite", *arguments])


def gap(path: str) -> float:
    rows = EmbeddingSet.load(Path(path)).embeddings
    return float(modality_gap(rows["image"], rows["text"]))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "method", ["shift", "center", "realign", "match_moments", "procrustes", "project_out", "whiten"]
)
def test_every_method_closes_the_gap_and_carries_the_rest_on(method: str) -> None:
    assert fit("--method", method) == 0
    assert main(["posthoc", "apply", "m.safetensors", "test.safetensors", "--out", "moved.safetensors"]) == 0
    assert gap("moved.safetensors") < 0.7 * gap("test.safetensors")  # the rest is what 30 random rows show
    moved = EmbeddingSet.load(Path("moved.safetensors"))
    assert moved.labels == embeddings(1).labels
    assert list(moved.ids) == list(embeddings(1).ids)
    assert "in_sample" not in moved.meta


@pytest.mark.usefixtures("folder")
def test_settings_reach_the_method() -> None:
    assert fit("--method", "shift", "--fraction", "0.25") == 0
    method: PostHoc = PostHoc.load(Path("m.safetensors"))
    assert method.settings == {"fraction": 0.25, "anchor": None}
    assert fit("--method", "procrustes", "--anchor", "text") == 0
    anchored: PostHoc = PostHoc.load(Path("m.safetensors"))
    assert anchored.settings == {"anchor": "text"}


@pytest.mark.usefixtures("folder")
def test_in_sample_is_allowed_when_said_and_then_stamped(capsys: pytest.CaptureFixture[str]) -> None:
    apply = ["posthoc", "apply", "fitted.safetensors", "train.safetensors", "--out", "moved.safetensors"]
    assert main([*apply, "--in-sample"]) == 0
    assert EmbeddingSet.load(Path("moved.safetensors")).meta["in_sample"] is True
    assert "in-sample" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_what_was_applied_can_be_audited() -> None:
    assert main(["posthoc", "apply", "fitted.safetensors", "test.safetensors", "--out", "moved.safetensors"]) == 0
    assert main(["audit", "moved.safetensors", "--resamples", "5", "--out", "out"]) == 0
    found = json.loads(Path("out/report.json").read_text())["arms"][0]["metrics"]
    assert found["gap"]["value"] == pytest.approx(gap("moved.safetensors"), abs=1e-6)


def help_of(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["posthoc", *arguments, "--help"])
    return " ".join(capsys.readouterr().out.split())


def test_help_lists_methods_and_a_method_its_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), ("fit",)):
        told = help_of(*arguments, capsys=capsys)
        assert "shift Shifting the modalities towards their common mean." in told
        assert "--shrinkage" not in told
    told = help_of("fit", "--method", "whiten", capsys=capsys)
    assert "--shrinkage SHRINKAGE how far each covariance is drawn towards a multiple of the identity" in told
    assert "(number from 0 to 1; default 0.1)" in told
    assert "--fraction" not in told
    assert "Centre each modality" in told
    assert "Raises:" not in told
    assert "--anchor ANCHOR" in help_of("fit", "--method=closegap.posthoc.Shift", capsys=capsys)


@dataclass(eq=False)
class Greedy(PostHoc):
    """A method whose setting is called as an option of the command."""

    train: int = 0

    def estimate(self, train: EmbeddingSet) -> dict[str, Tensor]:
        return {}

    def move(self, rows: Tensor, modality: str, state: Mapping[str, Tensor]) -> Tensor:
        return rows


FIT = ("fit", "--train", "train.safetensors", "--out", "m.safetensors")
OUT = ("--out", "moved.safetensors")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "posthoc '': expected fit or apply"),
        (("fill",), 2, "posthoc 'fill': expected fit or apply"),
        (FIT, 2, "method.*closegap posthoc fit --help"),
        ((*FIT, "--method"), 2, "method.*closegap posthoc fit"),
        ((*FIT, "--method", "magic"), 2, "--method magic: no post-hoc method; expected one of shift, center"),
        ((*FIT, "--method", "my.Magic"), 2, r"--method my\.Magic: cannot be imported \(No module named 'my'\)"),
        ((*FIT, "--method", f"{Greedy.__module__}.Greedy"), 2, "settings cannot be options .*'train'.*rename them"),
        ((*FIT, "--method", "shift", "--fraction", "half"), 2, "fraction: 'half' given, expected a number"),
        ((*FIT, "--method", "shift", "--fraction", "2"), 2, "--fraction: 2.0 given, expected a number from 0 to 1"),
        ((*FIT, "--method", "center", "--fraction", "1"), 2, "--fraction: no such option.* fit --method center --help"),
        ((*FIT, "--method", "procrustes", "--anchor", "sound"), 2, "anchor 'sound'; expected one of image, text"),
        (("fit", "--method", "shift", "--train", "absent.safetensors", *OUT), 1, r"absent\.safetensors: no such file"),
        (("fit", "--method", "shift", "--train", "noise.safetensors", *OUT), 1, r"noise\.safetensors: damaged"),
        (("fit", "--method", "shift", "--train", "train.safetensors", "--out", "m.npy"), 2, r"ends in \.safetensors"),
        (("fit", "--method", "shift", "--train", "train.safetensors", "--out", "train.safetensors"), 2, "also what"),
        (("apply", "absent.safetensors", "test.safetensors", *OUT), 1, r"absent\.safetensors: no such file"),
        (
            ("apply", "fitted.safetensors", "test.safetensors", "--method", "center", *OUT),
            2,
            r"holds .*Shift, expected",
        ),
        (
            ("apply", "fitted.safetensors", "test.safetensors", "--method", "mine", *OUT),
            2,
            "--method mine: no post-hoc",
        ),
        (("apply", "test.safetensors", "test.safetensors", *OUT), 1, "not a post-hoc method"),
        (("apply", "fitted.safetensors", "fitted.safetensors", *OUT), 1, "fitted.safetensors: not an embedding set"),
        (("apply", "fitted.safetensors", "train.safetensors", *OUT), 2, "30 of 30 rows were fitted on.*--in-sample"),
        (("apply", "fitted.safetensors", "wide.safetensors", *OUT), 1, "image has 7 dimensions, .* fitted on 6"),
        (("apply", "fitted.safetensors", "sound.safetensors", *OUT), 1, "modality 'sound', .* fitted on image, text"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*")}
    assert main(["posthoc", *arguments]) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("closegap: ")
    assert re.search(message, lines[0])
    assert {path: path.read_bytes() for path in folder.rglob("*")} == before
