"""LoRA: what is trained, and what is saved."""

import copy
from pathlib import Path

import pytest
import torch
from tests.models.small_clip import saved_clip
from tests.models.towers.test_every_encoder import TEXTS

from closegap.batch import Batch
from closegap.errors import UsageError
from closegap.losses import GapClosing
from closegap.models import DualImageEncoder, DualTextEncoder, IdentityHead, Model, TransformersTextEncoder
from closegap.testing import check_encoder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(saved_clip(tmp_path_factory.mktemp("clip")))


def test_two_steps_move_low_rank_updates_alone(clip: str, pictures: list[Path], tmp_path: Path) -> None:
    towers = {"image": DualImageEncoder(clip, 1, lora=2), "text": DualTextEncoder(clip, None, lora=2)}
    model = Model(dict(towers), dim=12, head=IdentityHead)
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    inputs = {"image": model.encoder("image").preparer()(pictures), "text": model.encoder("text").preparer()(TEXTS[:3])}
    rows = torch.arange(3)
    for _ in range(2):
        embeddings, present, tau = model(Batch(inputs, {"image": rows, "text": rows}, rows))
        optimizer.zero_grad()
        sum(GapClosing()(embeddings, present, tau, 0.0).values(), torch.zeros(())).backward()
        optimizer.step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert {"lora_A", "lora_B"} == {part for name in moved for part in name.split(".") if part.startswith("lora")}
    assert all("lora_" in name or name == "temperature.log_scale" for name in moved)
    assert not [name for name in moved if name.startswith("encoders.image") and ".layers.0." in name]
    assert [name for name in moved if name.startswith("encoders.text") and ".layers.0." in name]
    model.save_pretrained(tmp_path / "model")
    again = Model.from_pretrained(tmp_path / "model")
    for name, found in again.embed(image=pictures, text=TEXTS).items():
        assert torch.equal(found, model.embed(image=pictures, text=TEXTS)[name])


def test_towers_with_updates_hold(clip: str, bert: Path) -> None:
    check_encoder(DualTextEncoder(clip, 1, lora=2), TEXTS[:2])
    check_encoder(TransformersTextEncoder(str(bert), "mean", 9, trained_blocks=1, lora=2), TEXTS[:2])


def test_before_the_first_step_nothing_has_changed(bert: Path) -> None:
    plain, updated = (TransformersTextEncoder(str(bert), trained_blocks=2, lora=rank).eval() for rank in (None, 4))
    inputs = plain.preparer()(TEXTS)
    with torch.no_grad():
        assert torch.equal(updated(inputs), plain(inputs))


def test_updates_of_nothing_are_refused(bert: Path) -> None:
    with pytest.raises(UsageError, match="lora: 4 given, and nothing is trained; set trained_blocks"):
        TransformersTextEncoder(str(bert), lora=4)
