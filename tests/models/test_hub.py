"""A hub that is not there, and the cache of one that was."""

from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

import closegap
from closegap.errors import ClosegapError, UsageError
from closegap.models import Model, SmallTextEncoder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model({name: SmallTextEncoder(dim=16, heads=2, buckets=64) for name in ("a", "b")}, 8).eval()


@pytest.mark.usefixtures("no_network")
def test_a_name_is_loaded_from_the_cache(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--organisation--name"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    (repository / "snapshots").mkdir()
    model.save_pretrained(repository / "snapshots" / COMMIT)
    for name in ("organisation/name", "organisation/name@main", f"organisation/name@{COMMIT}"):
        assert torch.equal(closegap.load(name).embed(a=["x"])["a"], model.embed(a=["x"])["a"])


@pytest.mark.usefixtures("no_network")
def test_a_hub_that_is_not_reached_is_one_line(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ClosegapError, match=r"^organisation/none: neither a local folder nor to be had from") as raised:
        closegap.load("organisation/none")
    assert "\n" not in str(raised.value)
    with pytest.raises(ClosegapError, match=r"^organisation/none: no such folder"):
        closegap.load(Path("organisation/none"))
    with pytest.raises(ClosegapError, match=r"^organisation/name: not uploaded \(") as raised:
        model.push_to_hub("organisation/name", token="hf_none")
    assert "\n" not in str(raised.value)
    with pytest.raises(UsageError, match="'name': expected the name of a repository, organisation/name"):
        model.push_to_hub("name")
