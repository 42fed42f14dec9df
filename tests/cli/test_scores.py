from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from tests.cli.tiny import Cli

from closegap.embeddings import EmbeddingSet
from closegap.metrics.index import MixedIndex
from closegap.metrics.positives import rows_of
from closegap.scores import ScoreStage, Standardise
from closegap.testing.full_set import full_set

FIT = ("scores", "fit", "--reference", "set.safetensors", "--out", "stage.safetensors")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a set in it."""
    monkeypatch.chdir(tmp_path)
    full_set().save("set.safetensors")
    return tmp_path


def test_a_stage_is_fitted_and_searched_with(cli: Cli) -> None:
    found = cli(*FIT, "--method", "standardise", "--strength", "0.5")
    assert (found.code, found.err) == (0, "")
    assert found.out == "stage.safetensors: standardise, fitted on 21 image, 31 text, 21 record\n"
    found = cli("scores", "apply", "stage.safetensors", "set.safetensors", "set.safetensors", "--out", "f.parquet")
    assert (found.code, found.err) == (0, "")
    assert found.out == "f.parquet: the first 10 of image, text, record for each query\n"
    table = pq.read_table("f.parquet").to_pylist()
    assert len(table) == (21 + 31 + 21) * 10
    assert [row["rank"] for row in table[:10]] == list(range(1, 11))
    assert not any(row["query"] == row["id"] and row["query_modality"] == row["modality"] for row in table)

    given = EmbeddingSet.load("set.safetensors")
    stage = ScoreStage.load("stage.safetensors")
    index = MixedIndex([rows_of(given, name) for name in given.modalities], stage)
    queries = rows_of(given, "text")
    scores = index.scores(queries)
    first = next(row for row in table if row["query_modality"] == "text")
    own = (index.cases == queries.cases[0]) & index.are_of(torch.arange(len(index.cases))[None], "text")[0]
    assert first["score"] == pytest.approx(float(scores[0, ~own].max()))
    of_first = [row["score"] for row in table if row["query_modality"] == "text"][:10]
    assert of_first == sorted(of_first, reverse=True)


def test_a_stage_has_help_of_its_own(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        cli("scores", "fit", "--method", "standardise", "--help")
    told = " ".join(capsys.readouterr().out.split())
    assert "--strength STRENGTH how far scale and location go" in told
    with pytest.raises(SystemExit, match=r"^0$"):
        cli("scores", "--help")
    assert "  zscore       A control: each query's scores" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("scores",), 2, "scores '': expected fit, apply, calibrate or explain"),
        (FIT, 2, "not given: method; see `closegap scores fit --help`"),
        (
            (*FIT, "--method", "standardize"),
            2,
            "--method standardize: no score stage; expected one of offset, rank_fusion, standard",
        ),
        (
            (*FIT, "--method", "standardise", "--strength", "2"),
            2,
            "--strength: 2.0 given, expected a number from 0 to 1",
        ),
        ((*FIT[:-1], "s.npy", "--method", "offset"), 2, "s.npy: expected a file that ends in .safetensors"),
        ((*FIT[:-1], "set.safetensors", "--method", "offset"), 2, "is also what is read"),
        (
            ("scores", "apply", "absent.safetensors", "set.safetensors", "set.safetensors", "--out", "f.parquet"),
            1,
            "absent.safetensors: no such file; expected a score stage saved with `closegap scores fit`",
        ),
        (
            ("scores", "apply", "fitted.safetensors", "set.safetensors", "set.safetensors", "--out", "set.parquet"),
            2,
            "set.parquet: is the table of what is read",
        ),
        (
            ("scores", "apply", "fitted.safetensors", "set.safetensors", "wide.safetensors", "--out", "f.parquet"),
            1,
            "queries have 8 dimensions and targets 9; embed both with one model",
        ),
        (
            ("scores", "apply", "fitted.safetensors", "set.safetensors", "sound.safetensors", "--out", "f.parquet"),
            1,
            "modality 'sound', but Standardise was fitted on image, text, record",
        ),
        (
            (
                "scores",
                "apply",
                "fitted.safetensors",
                "set.safetensors",
                "set.safetensors",
                "-k",
                "0",
                "--out",
                "f.parquet",
            ),
            2,
            "0 given, expected a whole number",
        ),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    cli: Cli, folder: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    Standardise(1.0).fit(full_set()).save("fitted.safetensors")
    full_set(width=9).save("wide.safetensors")
    EmbeddingSet({"sound": torch.eye(8)}, [str(row) for row in range(8)]).save("sound.safetensors")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    found = cli(*arguments)
    assert (found.code, found.err.count("\n")) == (code, 1)
    assert message in found.err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
