"""A table of queries becomes embeddings, which an archive can be searched with."""

from pathlib import Path

import pytest
from tests.cli.tiny import Cli

from closegap.embeddings import EmbeddingSet


def test_texts_alone_are_embedded_as_the_model_embeds_them(cli: Cli, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "queries.csv").write_text("text\npleural effusion\nleft nodule\n", encoding="utf-8")
    out = tmp_path / "queries.safetensors"
    found = cli("embed", runs / "a", "--texts", tmp_path / "queries.csv", "--out", out)
    assert (found.code, found.out.strip()) == (0, f"{out}: 2 rows of report")
    held = EmbeddingSet.load(out)
    assert (list(held.ids), list(held.modalities)) == (["1", "2"], ["report"])
    named = tmp_path / "named.jsonl"
    named.write_text('{"id": "q7", "note": "x", "report": "left nodule"}\n', encoding="utf-8")
    assert cli("embed", runs / "a", "--texts", named, "--out", tmp_path / "named.safetensors").code == 0
    other = EmbeddingSet.load(tmp_path / "named.safetensors")
    assert list(other.ids) == ["q7"]
    assert other.embeddings["report"][0].tolist() == pytest.approx(held.embeddings["report"][1].tolist(), abs=1e-5)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("id,age,sex\n1,2,F\n", (), "expected the texts in a column 'report', found 'id', 'age', 'sex'"),
        ("id,text\n1,\n", (), "column 'text' is blank"),
        ("id,text\n1,a\n", ("--images", "."), "leave the other out"),
        (None, (), "queries.csv"),
    ],
)
def test_a_table_without_texts_is_refused_in_one_line(
    cli: Cli, runs: Path, tmp_path: Path, content: str | None, options: tuple[str, ...], message: str
) -> None:
    if content is not None:
        (tmp_path / "queries.csv").write_text(content, encoding="utf-8")
    out = tmp_path / "queries.safetensors"
    found = cli("embed", runs / "a", "--texts", tmp_path / "queries.csv", *options, "--out", out)
    assert found.code in (1, 2)
    assert message in found.err
    assert found.err.count("\n") == 1
    assert not list(tmp_path.glob("*.safetensors*"))
