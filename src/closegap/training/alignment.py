"""The objective that aligns modalities: the run's loss over its model's embeddings."""

from dataclasses import dataclass
from typing import Any

import torch

from closegap.batch import Batch
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.infer.embed import embed
from closegap.infer.prepared import Prepared
from closegap.metrics.figure import Figure
from closegap.runs.objective import Objective
from closegap.runs.run import Run
from closegap.training.cached_step import cached_step
from closegap.training.optim import alignment_rates
from closegap.training.step import contrastive_step
from closegap.training.task import Setting, Terms, TrainingTask
from closegap.training.validation import validation_metrics


@dataclass(frozen=True)
class Alignment(Objective):
    """The run's `loss` is minimised, and the run is judged by gap and retrieval."""

    def task(self, setting: Setting) -> "AlignmentTask":
        """See `Objective`."""
        return AlignmentTask(setting.run, setting.train, setting.validation)


class AlignmentTask(TrainingTask):
    """The run's loss over its modalities.

    Args:
        run: the run.
        train: its training cases.
        validation: its validation cases.
    """

    def __init__(self, run: Run, train: Prepared, validation: Prepared) -> None:
        self.run, self.validation = run, validation
        self.module = run.model
        self.peak_rates = alignment_rates(run.model, run.loss, run.train)
        self.beside = {"loss": run.loss}
        self.views, self.preparers, self.alike = train.views, run.model.preparers(), {}

    def step(self, parallel: Any, batch: Batch, progress: float) -> tuple[Terms, Terms]:
        """The loss's terms, and the temperature; in micro-batches where the run asks for them."""
        size, masked = self.run.train.micro_batch, self.run.train.mask_groups
        if size is None or size >= len(batch.groups):
            terms, temperature = contrastive_step(parallel, self.run.loss, batch, progress, masked)
        else:
            terms, temperature = cached_step(parallel, self.run.loss, batch, progress, masked, size)
        return terms, {"temperature": temperature}

    def validate(self, device: torch.device) -> tuple[dict[Figure, float], EmbeddingSet | None]:
        """Gap, cosines and retrieval."""
        embeddings = embed(self.run.model, self.validation, device)
        return validation_metrics(embeddings), embeddings
