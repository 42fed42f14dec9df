"""An objective that somebody else writes: the trainer asks it, and knows nothing of it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.tiny import TinySource, tiny_run
from torch import Tensor, nn

from closegap.batch import Batch
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import UsageError
from closegap.infer.embed import embed_views
from closegap.infer.prepared import Prepared
from closegap.metrics.captions.likelihood import LOG_LIKELIHOOD
from closegap.metrics.figure import Figure
from closegap.runs.checkpoint import checkpoints
from closegap.runs.log import Nobody, read_metrics
from closegap.runs.objective import Objective
from closegap.runs.training import Training
from closegap.training.task import Setting, Terms, TrainingTask
from closegap.training.trainer import Trainer


@dataclass(frozen=True)
class WordCount(Objective):
    """A linear map from a frozen model's embedding of a report to its number of words."""

    modality: str = "report"

    def task(self, setting: Setting) -> "WordCountTask":
        return WordCountTask(self.modality, setting)

    @property
    def moves_model(self) -> bool:
        return False

    def check(self, training: Training) -> None:
        if training.micro_batch:
            raise UsageError("train.micro_batch: counts need whole batches")


class WordCountTask(TrainingTask):
    def __init__(self, modality: str, setting: Setting) -> None:
        self.modality, self.model, self.validation = modality, setting.run.model, setting.validation
        self.module = nn.Linear(self.model.dim, 1)
        self.peak_rates = [(self.module, setting.run.train.lr)]
        self.beside = {"counter": self.module}
        embeddings, counts = self._views(setting.train, setting.device)
        self.views = {"embedding": embeddings, "count": counts}
        self.preparers, self.alike = {}, {"count": "embedding"}

    def _views(self, split: Prepared, device: torch.device) -> Any:
        found = split.views[self.modality]
        counts = torch.tensor([[float(len(text.split()))] for text in found.items])
        embedded = embed_views(self.model, self.modality, found, device)
        return replace(found, features=embedded, inputs=None), replace(found, features=counts, inputs=None)

    def step(self, parallel: Any, batch: Batch, progress: float) -> tuple[Terms, Terms]:
        found = parallel(batch.inputs["embedding"].values)
        error = (found - batch.inputs["count"].values).square().mean()
        return {"error": error}, {}

    def validate(self, device: torch.device) -> tuple[dict[Figure, float], EmbeddingSet | None]:
        embeddings, counts = self._views(self.validation, device)
        with torch.no_grad():
            error: Tensor = (self.module(embeddings.features) - counts.features).square().mean()
        return {LOG_LIKELIHOOD: -float(error)}, None

    def write_files(self, folder: Path) -> None:
        (folder / "counts.txt").write_text(self.modality, encoding="utf-8")


def test_an_objective_of_ones_own_trains_resumes_and_leaves_its_files(tmp_path: Path) -> None:
    def trainer(steps: int) -> Trainer:
        options: dict[str, Any] = {"objective": WordCount(), "select": "log_likelihood", "lr": 0.1}
        return Trainer(tiny_run(steps=steps, source=TinySource(complete=True), **options), tmp_path, Nobody())

    first = trainer(60)
    before = {name: tensor.clone() for name, tensor in first.model.state_dict().items()}
    first.train()
    assert all(torch.equal(before[name], tensor) for name, tensor in first.model.state_dict().items())
    likelihoods = [
        row["validation/log_likelihood"] for row in read_metrics(tmp_path / "metrics.jsonl") if len(row) == 2
    ]
    assert likelihoods[-1] > likelihoods[0] / 4
    assert (tmp_path / "counts.txt").read_text(encoding="utf-8") == "report"
    last = checkpoints(tmp_path / "checkpoints")[-1]
    assert {file.name for file in last.iterdir()} == {"model.safetensors", "counter.safetensors", "state.json"}
    again = trainer(60)  # of a finished run nothing is left to do
    again.train()
    assert torch.equal(again.task.module.weight, first.task.module.weight)  # type: ignore[arg-type]


def test_an_objective_refuses_options_before_any_data_are_read(tmp_path: Path) -> None:
    class Unread(TinySource):
        def rows(self) -> Any:
            raise AssertionError("was read")

    run = tiny_run(objective=WordCount(), source=Unread(), micro_batch=4)
    with pytest.raises(UsageError, match=r"train\.micro_batch: counts need whole batches"):
        Trainer(run, tmp_path / "run", Nobody())
    assert not (tmp_path / "run").exists()
