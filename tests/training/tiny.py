"""A data set and a run so small that training takes a moment."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from accelerate.utils import set_seed
from torch import Tensor, nn

from closegap.data import Case, Checks, Source
from closegap.kinds import CodesKind, Kind, RecordKind, TextKind
from closegap.losses import EmbeddedBatch, GapClosing, Loss
from closegap.models import (
    CodeSetEncoder,
    Encoder,
    FixedTemperature,
    Model,
    RecordEncoder,
    SmallTextEncoder,
)
from closegap.models.temperature import Temperature
from closegap.runs.objective import Objective
from closegap.runs.run import Run
from closegap.runs.training import Training
from closegap.training.alignment import Alignment

TOPICS = ("mass", "effusion", "fracture", "nodule", "stone", "cyst", "stent", "haemorrhage")


class TinySource(Source):
    """Reports, records and concepts of eight topics; some reports twice, some records missing.

    Args:
        train: number of training cases.
        validation: number of validation cases.
        complete: one view of every modality in every case.
    """

    def __init__(self, train: int = 64, validation: int = 24, complete: bool = False) -> None:
        self.sizes = {"train": train, "validation": validation, "test": 16}
        self.complete = complete

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return {"report": TextKind(), "record": RecordKind(), "concepts": CodesKind()}

    def rows(self) -> Iterator[Case]:
        random = np.random.default_rng(0)
        for split, size in self.sizes.items():
            for number in range(size):
                yield self._case(split, number, random)

    def _case(self, split: str, number: int, random: np.random.Generator) -> Case:
        topic, shift = number % 8, float(random.normal(0, 0.3))
        reports = (f"{TOPICS[topic]} of {10 * number} mm", f"there is a {TOPICS[topic]}")
        views: dict[str, tuple[Any, ...]] = {
            "report": reports[: 1 if self.complete or number % 5 else 2],
            "record": ({"size": topic + shift, "kind": "ab"[topic % 2]},),
            "concepts": ((f"C{topic}", f"D{topic % 3}"),),
        }
        if not self.complete and number % 7 == 3:
            del views["record"]
        key = f"{split}-{number}"
        return Case(key, split, f"{split}-{number // 2}", views, {"topic": TOPICS[topic]}, (f"C{topic}",))


def tiny_encoders(dropout: float = 0.1) -> dict[str, Encoder]:
    return {
        "report": SmallTextEncoder(dim=16, layers=1, heads=2, max_length=8, buckets=256, dropout=dropout),
        "record": RecordEncoder(["size"], ["kind"], dim=16, hidden=16, dropout=dropout, buckets=64),
        "concepts": CodeSetEncoder(dim=16, buckets=64, dropout=dropout),
    }


def tiny_run(
    modalities: Sequence[str] = ("report", "record"),
    frozen: Sequence[str] = (),
    dropout: float = 0.1,
    temperature: Temperature | None = None,
    loss: Loss | None = None,
    source: Source | None = None,
    seed: int = 0,
    objective: Objective | None = None,
    **training: Any,
) -> Run:
    """A run that is the same for the same arguments."""
    set_seed(seed)
    encoders: Mapping[str, Encoder] = tiny_encoders(dropout)
    model = Model({name: encoders[name] for name in modalities}, dim=8, temperature=temperature)
    for name in frozen:
        model.encoder(name).requires_grad_(False)
    given: dict[str, Any] = {"steps": 6, "batch_size": 16, "lr": 3e-3, "trackers": []} | training
    source, loss = source or TinySource(), loss or GapClosing()
    return Run(source, Checks(), model, loss, Training(**given), seed, "tiny", objective or Alignment())


def fixed(tau: float = 0.1) -> Temperature:
    return FixedTemperature(tau)


class Scaled(Loss):
    """A loss with a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def terms(self, batch: EmbeddedBatch) -> dict[str, Tensor]:
        return {"scaled": self.scale * sum(values.mean() for values in batch.embeddings.values())}
