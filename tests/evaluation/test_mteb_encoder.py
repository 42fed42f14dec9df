"""mteb evaluates our models: its figures are ours where both measure the same."""

import runpy
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.small_clip import WORDS, saved_clip

import closegap
from closegap.errors import UsageError
from closegap.models import Model
from closegap.phantom import Phantoms

mteb: Any = import_module("mteb")
datasets: Any = import_module("datasets")
retrieval: Any = import_module("mteb.abstasks.retrieval")
metadata: Any = import_module("mteb.abstasks.task_metadata")
N = 24


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return closegap.load(f"hf:{saved_clip(tmp_path_factory.mktemp('clip'))}")


@pytest.fixture(scope="module")
def pairs() -> tuple[list[Any], list[str]]:
    """Pictures, and a text of each."""
    cases = [case for case in Phantoms(cases=N, size=32).rows() if "image" in case.views]
    images = [case.views["image"][0].open().convert("RGB") for case in cases]
    return images, [f"{WORDS[n % 12]} {WORDS[n // 2]} of the {WORDS[(5 * n) % 12]}" for n in range(len(images))]


@pytest.fixture(scope="module")
def task(pairs: tuple[list[Any], list[str]]) -> Any:
    images, texts = pairs
    said = {
        "name": "PhantomT2I",
        "description": "made on the spot",
        "dataset": {"path": "none/none", "revision": "1"},
        "type": "Any2AnyRetrieval",
        "category": "t2i",
        "modalities": ["text", "image"],
        "eval_splits": ["test"],
        "eval_langs": ["eng-Latn"],
        "main_score": "ndcg_at_10",
    }
    fields = metadata.TaskMetadata.model_fields
    said |= {name: None for name, field in fields.items() if field.is_required() and name not in said}

    class PhantomT2I(retrieval.AbsTaskRetrieval):  # type: ignore[misc]
        metadata = globals()["metadata"].TaskMetadata(**said)

        def load_data(self, *_: Any, **__: Any) -> None:
            queries = datasets.Dataset.from_dict({"id": [f"q{n}" for n in range(len(texts))], "text": texts})
            corpus = datasets.Dataset.from_dict({"id": [f"d{n}" for n in range(len(images))], "image": images})
            relevant = {f"q{n}": {f"d{n}": 1} for n in range(len(texts))}
            split = {"queries": queries, "corpus": corpus, "relevant_docs": relevant, "top_ranked": None}
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    return PhantomT2I()


def test_mtebs_figures_are_ours(model: Model, task: Any, pairs: tuple[list[Any], list[str]], tmp_path: Path) -> None:
    script = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "mteb_gap_card.py"))
    encoder = import_module("closegap.evaluation.mteb_encoder").MtebEncoder(model)
    report, result = script["gap_card"](encoder, task, tmp_path / "card")
    scores = result.task_results[0].scores["test"][0]
    images, texts = pairs
    own = closegap.audit(model.embed(image=images, text=texts), resamples=10).arms[0].metrics
    card = report.arms[0].metrics
    assert card["gap"].value == pytest.approx(own["gap"].value, abs=1e-5)
    for k in (1, 5, 10):
        ours = next(own[name].value for name in own if name.startswith("text") and name.endswith(f"R@{k}"))
        assert scores[f"recall_at_{k}"] == pytest.approx(ours, abs=1e-5)
    assert (tmp_path / "card" / "report.html").is_file()


def test_items_of_both_are_the_sum(model: Model, pairs: tuple[list[Any], list[str]]) -> None:
    encoder = import_module("closegap.evaluation.mteb_encoder").MtebEncoder(model)
    images, texts = (side[:2] for side in pairs)
    named = type("Task", (), {"name": "Both"})
    rows = encoder.encode([{"image": images, "text": texts}], task_metadata=named, hf_split="", hf_subset="")
    own = model.embed(image=images, text=texts)
    expected = torch.nn.functional.normalize(own["image"] + own["text"], dim=-1)
    torch.testing.assert_close(rows, expected)
    with pytest.raises(UsageError, match="Both: items of audio, the model embeds image, text"):
        encoder.encode([{"audio": [1]}], task_metadata=named, hf_split="", hf_subset="")
