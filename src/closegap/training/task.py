"""What the trainer steps and validates: all that it knows of models, losses and decoders."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from closegap.batch import Batch
from closegap.data.loader import Preparer, Views
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.infer.features import FeatureCache
from closegap.infer.prepared import Prepared
from closegap.metrics.figure import Figure
from closegap.runs.log import Watcher
from closegap.runs.run import Run
from closegap.training.optim import PeakRates

Terms: TypeAlias = dict[str, Float[Tensor, ""]]


@dataclass(frozen=True)
class Setting:
    """What an objective has to train with, once the data are read.

    Args:
        run: the run; its model is on `device`.
        folder: the run's.
        train: training cases.
        validation: validation cases.
        cache: of features; None where the run wants none.
        device: where training happens.
        watcher: who is told how it goes.
    """

    run: Run
    folder: Path
    train: Prepared
    validation: Prepared
    cache: FeatureCache | None
    device: torch.device
    watcher: Watcher


class TrainingTask(ABC):
    """An objective at work.

    Attributes:
        module: what processes wrap, called through `step`.
        peak_rates: what is trained, at which rates.
        beside: what has parameters and is saved beside the model.
        views: what batches are drawn from.
        preparers: what prepares the items of views that hold no features.
        alike: names whose views are drawn as another's.
    """

    module: nn.Module
    peak_rates: PeakRates
    beside: Mapping[str, nn.Module]
    views: Mapping[str, Views]
    preparers: Mapping[str, Preparer]
    alike: Mapping[str, str]

    @abstractmethod
    def step(self, parallel: Any, batch: Batch, progress: float) -> tuple[Terms, Terms]:
        """The terms of the global batch, whose sum is minimised, and what else is worth a curve.

        Terms without a graph have left their gradients already.

        Args:
            parallel: the module, or its distributed wrapper.
            batch: this process's rows.
            progress: share of training done.
        """

    @abstractmethod
    def validate(self, device: torch.device) -> tuple[dict[Figure, float], EmbeddingSet | None]:
        """Metrics of the validation split, and its embeddings where training moves them."""

    def write_files(self, folder: Path) -> None:  # noqa: B027  # most have nothing to leave
        """Leave in the run's folder what it needs beside checkpoints; only one process calls this, before a step."""
