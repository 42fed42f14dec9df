"""Every loss on 1, 2 and 4 ranks, uneven rows included, gives the value and the gradient of one process."""

from functools import cache
from typing import Any

import pytest
import torch
import torch.distributed as dist
from tests.distributed.ranks import run_on_ranks
from tests.losses.arms import ARMS, MODALITIES
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel

from closegap.distributed import AllProcesses, gather_batch, rank, world_size
from closegap.losses import dividing_work
from closegap.losses.tiling import tiling

NINTHS = {1: [9], 2: [6, 3], 4: [4, 0, 3, 2]}
SMALL, LARGE = 9, 36  # the work of a large batch is divided: six tiles a side
DIVIDED = [arm for arm in ARMS if not arm.startswith("Align")]
CASES = [*((arm, SMALL) for arm in ARMS), *((arm, LARGE) for arm in DIVIDED)]
KINDS = {"whole": (False, False), "presence": (True, False), "groups": (False, True), "both": (True, True)}


class Towers(nn.Module):
    """A linear tower per modality and a temperature."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.towers = nn.ModuleDict({name: nn.Linear(5, 4) for name in MODALITIES})
        self.log_temperature = nn.Parameter(torch.tensor(0.2).log())
        self.double()

    def forward(self, inputs: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        embeddings = {}
        for name, tower in self.towers.items():
            rows = normalize(tower(inputs[name]), dim=1)
            embeddings[name] = torch.where(present[name][:, None], rows, 0.0) if name in present else rows
        return embeddings, self.log_temperature.exp()


def step(arm: str, kind: str, n: int) -> dict[str, Any]:
    """One training step of this rank's share of a fixed batch of n cases."""
    with_presence, with_groups = KINDS[kind]
    generator = torch.Generator().manual_seed(1)
    everything = {name: torch.randn(n, 5, generator=generator, dtype=torch.float64) for name in MODALITIES}
    masks = {name: torch.rand(n, generator=generator) > 0.3 for name in MODALITIES[1:]} if with_presence else {}
    numbers = torch.randint(n // 2, (n,), generator=generator)

    shares = [ninths * n // 9 for ninths in NINTHS[world_size()]]
    mine = slice(sum(shares[: rank()]), sum(shares[: rank() + 1]))
    towers = Towers()
    model = DistributedDataParallel(towers) if dist.is_initialized() else towers
    loss = ARMS[arm].build()
    embeddings, temperature = model(
        {name: rows[mine] for name, rows in everything.items()}, {name: mask[mine] for name, mask in masks.items()}
    )
    present = {name: mask[mine] for name, mask in masks.items()}
    batch = gather_batch(embeddings, present, numbers[mine] if with_groups else None)
    with tiling(above=SMALL, side=LARGE // 6):
        with dividing_work(AllProcesses()):
            terms = loss(batch[0], batch[1], temperature, 0.0, batch[2])
        total = torch.stack(list(terms.values())).sum() + 0 * temperature  # DDP waits for a gradient of every parameter
        total.backward()
    gradients = {
        name: parameter.grad
        for name, parameter in [*towers.named_parameters(), *loss.named_parameters()]
        if parameter.grad is not None
    }
    return {"total": total.detach(), **gradients}


def gathered() -> dict[str, Any]:
    """Numbered rows of this rank, gathered; the modality `report` has a mask on the first rank alone."""
    shares = NINTHS[world_size()]
    first = sum(shares[: rank()])
    numbers = torch.arange(first, first + shares[rank()])
    embeddings = {"image": numbers[:, None].float(), "report": -numbers[:, None].float()}
    present = {"report": numbers % 2 == 0} if rank() == 0 else {}
    everything, masks, groups = gather_batch(embeddings, present, numbers * 10**12)
    return {"image": everything["image"], "report": everything["report"], "present": dict(masks), "groups": groups}


def work() -> dict[str, dict[str, Any]]:
    """Everything that the ranks do, in one go, since starting them takes the longest."""
    steps = {f"{arm}/{kind}/{n}": step(arm, kind, n) for arm, n in CASES for kind in KINDS}
    return steps | {"gathered": gathered()}


alone = cache(step)
"""The step of one process."""


@pytest.fixture(scope="module", params=[1, 2, 4])
def ranks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Any]]]:
    return run_on_ranks(request.param, work, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("arm", "n"), CASES)
def test_ranks_equal_one_process(ranks: list[dict[str, dict[str, Any]]], arm: str, n: int, kind: str) -> None:
    expected = alone(arm, kind, n)
    assert sum(value.abs().sum() > 0 for value in expected.values()) > 3
    for found in ranks:
        for name, value in expected.items():
            torch.testing.assert_close(found[f"{arm}/{kind}/{n}"][name], value, rtol=1e-11, atol=1e-13)


def test_rows_keep_the_order_of_ranks(ranks: list[dict[str, dict[str, Any]]]) -> None:
    numbers = torch.arange(9)
    for found in (each["gathered"] for each in ranks):
        assert found["image"][:, 0].tolist() == numbers.tolist()
        assert found["report"][:, 0].tolist() == (-numbers).tolist()
        assert found["groups"].tolist() == (numbers * 10**12).tolist()
        expected = (numbers % 2 == 0) | (numbers >= NINTHS[len(ranks)][0])
        assert found["present"]["report"].tolist() == expected.tolist()
        assert list(found["present"]) == ["report"]


def test_one_process_gathers_nothing() -> None:
    embeddings, present, groups = {"image": torch.eye(2)}, {"image": torch.ones(2, dtype=torch.bool)}, torch.arange(2)
    found = gather_batch(embeddings, present, groups)
    assert found[0] is embeddings
    assert found[1] is present
    assert found[2] is groups
    assert (rank(), world_size()) == (0, 1)
