"""With --no-cases a page shows what was found, and nothing of any case."""

from pathlib import Path

import pytest
import torch
from tests.cli import tiny
from tests.cli.tiny import Cli

from closegap.embeddings.embedding_set import EmbeddingSet

_OF_CASES = (
    "c24",
    "c39",
    "effusion of",
    "nodule of",
    "data:image/jpeg",
    "Queries and what they find",
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    return tiny.write(folder / "run.json", tiny.config(tiny.manifest(folder)))


def shown(page: Path) -> set[str]:
    """What of cases stands in a page."""
    text = page.read_text(encoding="utf-8")
    assert "Latent map" in text
    return {found for found in _OF_CASES if found in text}


def test_pages_of_runs(cli: Cli, config: Path, tmp_path: Path) -> None:
    for name, more in {"open": [], "closed": ["--no-cases"]}.items():
        assert cli("train", "--config", config, "--arm", name, *more, "--out", tmp_path / name).code == 0
    assert shown(tmp_path / "open" / "report.html") == set(_OF_CASES) - {"c39"}
    assert shown(tmp_path / "closed" / "report.html") == set()
    assert cli("train", "--resume", tmp_path / "closed").code == 0  # the run's config remembers
    assert shown(tmp_path / "closed" / "report.html") == set()

    assert cli("compare", tmp_path / "open", "--out", tmp_path / "a").code == 0
    assert "c39" in shown(tmp_path / "a" / "report.html")
    assert cli("compare", tmp_path / "open", "--out", tmp_path / "b", "--no-cases").code == 0
    assert shown(tmp_path / "b" / "report.html") == set()
    assert cli("compare", tmp_path / "open", tmp_path / "closed", "--out", tmp_path / "c").code == 0
    assert shown(tmp_path / "c" / "report.html") == set()  # one of them hides its cases
    for report in tmp_path.glob("*/report.json"):
        assert str(tmp_path) not in report.read_text(encoding="utf-8")


def test_pages_of_a_study(cli: Cli, config: Path, tmp_path: Path) -> None:
    arm = tiny.write(tmp_path / "arm.json", {"arm": "one"})
    assert cli("study", "--config", config, "--arms", arm, "--out", tmp_path / "study", "--no-cases").code == 0
    pages = list((tmp_path / "study").rglob("report.html"))
    assert len(pages) == 2
    assert [shown(page) for page in pages] == [set(), set()]


def test_the_page_of_an_audit(cli: Cli, tmp_path: Path) -> None:
    rows = torch.nn.functional.normalize(torch.randn(2, 40, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    labels = {"finding": ["effusion of", "nodule of"] * 20}
    ids = [f"c{number}" for number in range(40)]
    EmbeddingSet({"image": rows[0], "report": rows[1]}, ids=ids, labels=labels).save(tmp_path / "set.safetensors")
    given = ("audit", tmp_path / "set.safetensors", "--metrics", "quick", "--resamples", 20)
    assert cli(*given, "--out", tmp_path / "a").code == 0
    assert shown(tmp_path / "a" / "report.html") == {"c24", "c39", "effusion of", "nodule of"}
    assert cli(*given, "--out", tmp_path / "b", "--no-cases").code == 0
    assert shown(tmp_path / "b" / "report.html") == set()
