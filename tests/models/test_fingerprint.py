"""A frozen tower is hashed once, and again whenever its fingerprint may have changed."""

import copy
import gc

import pytest
import torch
from torch import nn

from closegap.models import SmallTextEncoder
from closegap.models.fingerprint import tower_fingerprint


class Counted(SmallTextEncoder):
    """Counts how often it is hashed."""

    def __init__(self) -> None:
        super().__init__(dim=8, heads=2)
        self.hashed = 0

    def fingerprint(self) -> str:
        self.hashed += 1
        return super().fingerprint()


@pytest.fixture
def tower() -> Counted:
    return Counted().requires_grad_(False)


def test_a_frozen_tower_is_hashed_once(tower: Counted) -> None:
    assert tower_fingerprint(tower) == tower_fingerprint(tower) == tower.fingerprint()
    assert tower.hashed == 2
    tower.eval()
    tower.train()
    tower_fingerprint(tower)
    assert tower.hashed == 2


@pytest.mark.parametrize("change", ["write", "replace", "load", "data", "to", "buffer"])
def test_whatever_changes_the_weights_is_noticed(tower: Counted, change: str) -> None:
    tower.register_buffer("mean", torch.zeros(3))
    before = tower_fingerprint(tower)
    name, parameter = next(iter(tower.named_parameters()))
    owner = tower.get_submodule(name.rpartition(".")[0])
    if change == "write":
        with torch.no_grad():
            parameter.view(-1)[0] += 1
    elif change == "replace":
        setattr(owner, name.rpartition(".")[2], nn.Parameter(parameter + 1, requires_grad=False))
    elif change == "load":
        tower.load_state_dict({key: value + 1 for key, value in tower.state_dict().items()})
    elif change == "data":
        parameter.data = parameter + 1
    elif change == "to":
        tower.bfloat16()
    else:
        tower.get_buffer("mean").fill_(1)
    assert tower_fingerprint(tower) == tower.fingerprint() != before


def test_a_trained_tower_is_hashed_every_time(tower: Counted) -> None:
    tower.requires_grad_(True)
    tower_fingerprint(tower)
    tower_fingerprint(tower)
    assert tower.hashed == 2


def test_weights_whose_changes_go_unseen_are_hashed_every_time(tower: Counted) -> None:
    with torch.inference_mode():
        tower.register_buffer("mean", torch.zeros(3))
    before = tower_fingerprint(tower)
    with torch.inference_mode():
        tower.get_buffer("mean").fill_(1)
    assert tower_fingerprint(tower) != before


def test_towers_are_told_apart_and_let_go(tower: Counted) -> None:
    twin = copy.deepcopy(tower)
    assert tower_fingerprint(twin) == tower_fingerprint(tower)
    with torch.no_grad():
        next(twin.parameters()).zero_()
    assert tower_fingerprint(twin) != tower_fingerprint(tower)
    from closegap.models import fingerprint

    held = len(fingerprint._KNOWN)
    del twin
    gc.collect()
    assert len(fingerprint._KNOWN) < held
