"""A model in parts trains as a whole one does, and its checkpoints go on with any number of processes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
import torch.distributed as dist
from tests.distributed.ranks import run_on_ranks
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from transformers import BertConfig, BertModel, BertTokenizer

from closegap.batch import Batch
from closegap.losses import GapClosing, Loss, SigLIP, Weighted, WeightedSum
from closegap.models import Model, RecordEncoder, TimmImageEncoder, TransformersTextEncoder
from closegap.models.heads import LinearHead
from closegap.runs import checkpoint
from closegap.runs.checkpoint import TrainingState
from closegap.runs.training import Training
from closegap.sharding import blocks, clip_gradients, shard, whole
from closegap.training import optim
from closegap.training.cached_step import cached_step
from closegap.training.step import contrastive_step

N = 8
"""Cases of the global batch: of one process, or of two, or of four."""
STEPS, SAVED = 4, 2
WORDS = ("mass", "effusion", "stone", "cyst")
Way = Literal["plain", "sharded"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small text tower without dropout."""
    found = tmp_path_factory.mktemp("sharding")
    (found / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    BertTokenizer(vocab=str(found / "vocab.txt")).save_pretrained(found / "bert")
    config = BertConfig(
        vocab_size=5 + len(WORDS),
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=24,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(found / "bert")
    return found / "bert"


def _batch(model: Model, step: int, rank: int, world: int) -> Batch:
    """This process's share of a step's cases; the last half of them has no caption, one no record."""
    draw = torch.Generator().manual_seed(step)
    images = torch.randint(0, 256, (N, 3, 32, 32), generator=draw, dtype=torch.uint8)
    texts = [" ".join(WORDS[int(w)] for w in torch.randint(0, 4, (3,), generator=draw)) for _ in range(N)]
    sizes = torch.randn(N, generator=draw).tolist()
    mine = range(rank * N // world, (rank + 1) * N // world)
    have = {"image": mine, "caption": [i for i in mine if i < N // 2], "record": [i for i in mine if i != 5]}
    texts, records = [texts[i] for i in have["caption"]], [{"size": sizes[i]} for i in have["record"]]
    inputs = {
        "image": images[list(mine)],
        "caption": model.preparers()["caption"](texts) if texts else None,
        "record": _double(model.preparers()["record"](records)),
    }
    rows = {name: torch.tensor([i - mine.start for i in items], dtype=torch.long) for name, items in have.items()}
    return Batch(inputs, rows, torch.tensor(list(mine)))


def _double(record: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return record[0].double(), record[1]


class Shifted(LinearHead):
    """A head with a scalar, whose gradient is another on each process."""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__(features, dim)
        self.shift = nn.Parameter(torch.tensor(0.1))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.shift


@dataclass
class Trained:
    """Weights after some steps of this process with the others, in float64.

    Args:
        bert: the text tower.
        way: of many processes; one is always plain.
        micro_batch: of the cached step.
        checkpoints: where step SAVED is written, or read.
        start: step to go on from.
    """

    bert: Path
    way: Way = "plain"
    micro_batch: int | None = None
    checkpoints: Path | None = None
    start: int = 0

    def __call__(self) -> dict[str, Any]:
        rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        model, loss = self._build()
        training = Training(lr=0.02, tower_lr={"caption": 0.01})
        parallel: nn.Module = model
        if world > 1 and self.way == "plain":
            parallel = DistributedDataParallel(model)
        elif world > 1:
            shard(model, methods=["encode"])
            model.stand_ins["caption"] = model.preparers()["caption"]([WORDS[0]])
        optimizer = optim.optimizer(optim.alignment_rates(model, loss, training), training)
        beside = {"loss": loss}
        if self.checkpoints is not None and self.start:
            saved = checkpoint.checkpoint_path(self.checkpoints, self.start)
            checkpoint.load_model(saved, model, {})
            checkpoint.load_beside(saved, "loss", loss)
            checkpoint.load_optimizer(saved, optimizer)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norms = []
        for step in range(self.start, STEPS):
            if self.checkpoints is not None and step == SAVED != self.start:
                checkpoint.save_checkpoint(self.checkpoints, model, beside, optimizer, TrainingState(step), {})
            optimizer.zero_grad()
            batch = _batch(model, step, rank, world)
            if self.micro_batch is None:
                terms, _ = contrastive_step(parallel, loss, batch, step / STEPS, True)
                torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
            else:
                cached_step(parallel, loss, batch, step / STEPS, True, self.micro_batch)
            norms.append(clip_gradients(parameters, 0.5))
            optimizer.step()
        batch = _batch(model, 0, 0, 1)
        model.eval()
        with torch.no_grad():
            embedded = model.encode("image", batch.inputs["image"])
        states = [entry["exp_avg"] for entry in optimizer.state_dict()["state"].values()]
        tensors: Mapping[str, Tensor] = {**model.state_dict(), **loss.state_dict(prefix="loss.")}
        return {
            "weights": {name: whole(tensor).detach().clone() for name, tensor in tensors.items()},
            "norms": torch.stack(norms),
            "embedded": embedded,
            "held": (_held(model.parameters()), _held(states)),
        }

    def _build(self) -> tuple[Model, Loss]:
        torch.manual_seed(1)
        # Activations are recomputed, as large towers have it.
        options: dict[str, Any] = {"trained_blocks": 2, "checkpointing": True}
        encoders = {
            "image": TimmImageEncoder("test_vit", "random", size=32, **options),
            "caption": TransformersTextEncoder(str(self.bert), **options),
            "record": RecordEncoder(["size"], dim=8, hidden=8, dropout=0.0),
        }
        loss = WeightedSum([Weighted(GapClosing()), Weighted(SigLIP(), 0.5)])
        return Model(encoders, dim=8, head=Shifted).double().train(), loss.double()


def _held(tensors: Iterable[Tensor]) -> int:
    """Numbers that this process keeps."""
    return sum((tensor.to_local() if isinstance(tensor, DTensor) else tensor).numel() for tensor in tensors)


@pytest.fixture(scope="module")
def alone(bert: Path) -> dict[str, Any]:
    """One process, whole batches."""
    return Trained(bert)()


def _assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    steps = len(found["norms"])  # of a run that went on: the last ones
    torch.testing.assert_close(found["norms"], expected["norms"][-steps:], rtol=1e-9, atol=0)
    torch.testing.assert_close(found["embedded"], expected["embedded"], rtol=1e-8, atol=1e-10)
    assert found["weights"].keys() == expected["weights"].keys()
    for name, tensor in expected["weights"].items():
        torch.testing.assert_close(found["weights"][name], tensor, rtol=1e-8, atol=1e-10, msg=name)


@pytest.mark.parametrize("micro_batch", [None, 3])
def test_two_processes_with_parts_train_the_model_of_one(
    bert: Path, alone: dict[str, Any], tmp_path: Path, micro_batch: int | None
) -> None:
    for found in run_on_ranks(2, Trained(bert, "sharded", micro_batch), tmp_path):
        _assert_same(found, alone)
        for parts, numbers in zip(found["held"], alone["held"], strict=True):
            assert parts < 0.51 * numbers


def test_processes_with_the_whole_model_train_the_same(bert: Path, alone: dict[str, Any], tmp_path: Path) -> None:
    for found in run_on_ranks(2, Trained(bert), tmp_path):
        _assert_same(found, alone)
        assert found["held"] == alone["held"]


def test_checkpoints_go_on_with_any_number_of_processes(bert: Path, alone: dict[str, Any], tmp_path: Path) -> None:
    parts, one = tmp_path / "parts", tmp_path / "one"
    for number in range(4):
        (tmp_path / str(number)).mkdir()
    run_on_ranks(2, Trained(bert, "sharded", checkpoints=parts), tmp_path / "0")
    Trained(bert, checkpoints=one)()
    _assert_same(Trained(bert, checkpoints=parts, start=SAVED)(), alone)
    launches: Sequence[tuple[int, Way, Path]] = ((4, "sharded", parts), (2, "plain", parts), (2, "sharded", one))
    for number, (processes, way, folder) in enumerate(launches, start=1):
        going_on = Trained(bert, way, checkpoints=folder, start=SAVED)
        for found in run_on_ranks(processes, going_on, tmp_path / str(number)):
            _assert_same(found, alone)


def test_blocks_are_the_outermost_that_have_layers(bert: Path) -> None:
    image = TimmImageEncoder("test_vit", "random", size=32)
    text = TransformersTextEncoder(str(bert))
    assert list(blocks(nn.ModuleDict({"image": image, "caption": text}))) == [
        *image.tower.blocks,
        *text.tower.encoder.layer,
    ]
    assert list(blocks(RecordEncoder(["size"]))) == []


def test_whole_gradients_are_clipped_as_torch_clips_them() -> None:
    given, expected = ([nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(()))] for _ in range(2))
    for parameters in (given, expected):
        parameters[0].grad, parameters[1].grad = torch.tensor([0.3, -2.0, 5.0]), torch.tensor(1.7)
    assert torch.equal(clip_gradients(given, 0.7), nn.utils.clip_grad_norm_(expected, 0.7))
    for found, parameter in zip(given, expected, strict=True):
        assert found.grad is not None
        assert parameter.grad is not None
        assert torch.equal(found.grad, parameter.grad)
