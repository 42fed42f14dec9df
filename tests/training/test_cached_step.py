"""The cached step gives the terms and the gradient of the plain one, to the last digits that float64 holds."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from tests.distributed.ranks import run_on_ranks
from tests.training.tiny import TinySource, tiny_encoders, tiny_run
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from closegap.batch import Batch, Features, move
from closegap.data.loader import Draws, GlobalBatches, group_numbers, views
from closegap.data.orders import shuffled
from closegap.errors import UsageError
from closegap.losses import EmbeddedBatch, GapClosing, Loss
from closegap.models import Model
from closegap.runs.checkpoint import checkpoints
from closegap.runs.log import Nobody, read_metrics
from closegap.runs.training import Training
from closegap.training.cached_step import cached_step
from closegap.training.step import contrastive_step
from closegap.training.trainer import Trainer

N = 22


class LearntWeight(Loss):
    """GapClosing times a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = GapClosing()
        self.weight = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))

    def terms(self, batch: EmbeddedBatch) -> dict[str, Tensor]:
        return {name: self.weight * term for name, term in self.parts.terms(batch).items()}


def _model(dropout: float) -> Model:
    torch.manual_seed(1)
    return Model(tiny_encoders(dropout), dim=8).double()


def _batch(model: Model, rank: int = 0, world: int = 1) -> Batch:
    """Cases of two to three modalities, some in one group; numbers in float64."""
    cases = [case for case in TinySource(train=N).rows() if case.split == "train"]
    found = {name: views(cases, name) for name in model.modalities}
    draws = Draws(found, group_numbers([case.group for case in cases]), model.preparers(), 0)
    batches = GlobalBatches(N, N, 1, shuffled(N, 0), rank=rank, world_size=world)
    batch = draws.__getitems__(next(iter(batches)))
    numbers, categories = batch.inputs["record"]
    return Batch({**batch.inputs, "record": (numbers.double(), categories)}, batch.rows, batch.groups)


def _gradients(model: Model, loss: Loss) -> dict[str, Tensor]:
    named = [*model.named_parameters(), *loss.named_parameters(prefix="loss")]
    return {name: parameter.grad.clone() for name, parameter in named if parameter.grad is not None}


def _plain(dropout: float = 0.0, micro_batch: int = N) -> dict[str, Tensor]:
    """Terms and gradients where one graph holds every micro-batch."""
    model, loss = _model(dropout), LearntWeight()

    def embed(batch: Batch, progress: float) -> Any:
        found = [model(part, progress) for part in batch.split(micro_batch)]
        rows, masks = ({name: torch.cat([one[i][name] for one in found]) for name in found[0][i]} for i in (0, 1))
        return rows, masks, found[0][2]

    torch.manual_seed(5)
    terms, _ = contrastive_step(embed, loss, _batch(model), 0.3, True)
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    return {**terms, **_gradients(model, loss)}


def _cached(micro_batch: int, dropout: float = 0.0) -> dict[str, Tensor]:
    model, loss = _model(dropout), LearntWeight()
    torch.manual_seed(5)
    terms, temperature = cached_step(model, loss, _batch(model), 0.3, True, micro_batch)
    assert not temperature.requires_grad
    return {**terms, **_gradients(model, loss)}


def _assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value.detach(), rtol=1e-12, atol=1e-14, msg=name)


@pytest.mark.parametrize("micro_batch", [1, 5, N - 1, N, 2 * N])
def test_gradient_of_the_plain_step(micro_batch: int) -> None:
    plain = _plain()
    assert {"temperature.log_scale", "loss.weight", "contrastive", "heads.record.weight"} <= plain.keys()
    assert all(value.abs().sum() > 0 for value in plain.values())
    _assert_equal(_cached(micro_batch), plain)


@pytest.mark.parametrize("micro_batch", [1, 5])
def test_dropout_is_replayed(micro_batch: int) -> None:
    plain = _plain(0.4, micro_batch)
    _assert_equal(_cached(micro_batch, 0.4), plain)
    assert not torch.allclose(plain["contrastive"], _plain()["contrastive"])


def test_a_modality_that_no_case_of_a_micro_batch_has() -> None:
    batch = _batch(_model(0.0))
    parts = batch.split(1)
    assert min(len(part.rows["record"]) for part in parts) == 0
    assert sum(len(part.rows["record"]) for part in parts) == len(batch.rows["record"])


def test_randomness_after_the_step_is_that_of_the_first_pass() -> None:
    model = _model(0.4)
    torch.manual_seed(5)
    cached_step(model, LearntWeight(), _batch(model), 0.3, True, 4)
    after = torch.rand(3)
    torch.manual_seed(5)
    for part in _batch(model).split(4):
        model(part, 0.3)
    assert torch.equal(torch.rand(3), after)


def test_bf16_gradients_have_the_graph_of_the_second_pass() -> None:
    gradients = []
    for micro_batch in (N, 4):
        torch.manual_seed(1)
        model = Model(tiny_encoders(0.0), dim=8)
        batch = move(_batch(model), "cpu")
        numbers, categories = batch.inputs["record"]
        batch = Batch({**batch.inputs, "record": (numbers.float(), categories)}, batch.rows, batch.groups)
        with torch.autocast("cpu", torch.bfloat16):
            cached_step(model, GapClosing(), batch, 0.3, True, micro_batch)
        gradients.append(_gradients(model, GapClosing()))
    assert gradients[0].keys() == gradients[1].keys() == dict(model.named_parameters()).keys()
    for name, value in gradients[0].items():
        assert (gradients[1][name] - value).norm() < 0.05 * value.norm() + 1e-4, name


def ranked() -> dict[str, Any]:
    """This rank's half of the batch through both steps, in micro-batches of three."""
    found = {}
    for dropout in (0.0, 0.4):
        model, loss = _model(dropout), LearntWeight()
        parallel = DistributedDataParallel(model)
        torch.manual_seed(dist.get_rank())
        batch = _batch(model, dist.get_rank(), dist.get_world_size())
        terms, _ = cached_step(parallel, loss, batch, 0.3, True, 3)
        found[f"cached {dropout}"] = {**terms, **_gradients(model, loss)}
    return found


def test_two_processes_have_the_gradient_of_one(tmp_path: Path) -> None:
    ranks = run_on_ranks(2, ranked, tmp_path)
    plain = _plain()
    for found in ranks:
        assert found["cached 0.0"].keys() == plain.keys()
        for name, value in plain.items():
            torch.testing.assert_close(found["cached 0.0"][name], value.detach(), rtol=1e-11, atol=1e-13, msg=name)
    for name, value in ranks[0]["cached 0.4"].items():
        torch.testing.assert_close(ranks[1]["cached 0.4"][name], value, rtol=0, atol=0, msg=name)


def test_features_and_empty_batches_are_split() -> None:
    batch = Batch(
        {"a": Features(torch.arange(3.0)[:, None]), "b": None},
        {"a": torch.tensor([0, 2, 3]), "b": torch.empty(0, dtype=torch.long)},
        torch.arange(5),
    )
    parts = batch.split(2)
    assert [part.inputs["a"].values[:, 0].tolist() for part in parts] == [[0.0], [1.0, 2.0], []]
    assert [part.rows["a"].tolist() for part in parts] == [[0], [0, 1], []]
    assert [part.groups.tolist() for part in parts] == [[0, 1], [2, 3], [4]]
    nothing = Batch({"a": None}, {"a": torch.empty(0, dtype=torch.long)}, torch.empty(0, dtype=torch.long))
    assert len(nothing.split(4)) == 1


def test_a_run_with_micro_batches_is_the_run_without(tmp_path: Path) -> None:
    rows = []
    for name, micro_batch in (("whole", None), ("cached", 5)):
        run = tiny_run(dropout=0.0, steps=8, micro_batch=micro_batch)
        Trainer(run, tmp_path / name, Nobody()).train()
        assert checkpoints(tmp_path / name / "checkpoints")[-1].name == "step-00000008"
        rows.append(read_metrics(tmp_path / name / "metrics.jsonl"))
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]]
    for whole, cached in zip(*rows, strict=True):
        for name in ("loss", "temperature", "gradient_norm", "validation/gap"):
            if name in whole:
                assert cached[name] == pytest.approx(whole[name], rel=1e-4)


def test_a_micro_batch_below_one_is_refused() -> None:
    with pytest.raises(UsageError, match=r"Training\.micro_batch: 0 given"):
        Training(micro_batch=0)
