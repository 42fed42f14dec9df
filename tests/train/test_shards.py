"""Training from shards takes the very steps of training from what they were written from."""

from pathlib import Path

import torch
from tests.train.tiny import TinySource, tiny_run
from torch import Tensor

from closegap.data import Case, Shards, Source, write_shards
from closegap.train.log import Nobody
from closegap.train.trainer import Trainer


def _trained(folder: Path, source: Source) -> list[Tensor]:
    trainer = Trainer(tiny_run(source=source, steps=12, shuffle_window=20), folder, Nobody())
    trainer.train()
    return [value.clone() for value in trainer.model.state_dict().values()]


def test_shards_train_the_same_model(tmp_path: Path) -> None:
    source = TinySource()
    cases = [row for row in source.rows() if isinstance(row, Case)]
    write_shards(cases, source.modalities, tmp_path / "shards")
    original = _trained(tmp_path / "original", source)
    sharded = _trained(tmp_path / "sharded", Shards(tmp_path / "shards"))
    assert all(torch.equal(a, b) for a, b in zip(original, sharded, strict=True))
