"""The losses in other people's loops: what the examples do is what one process of ours does."""

import runpy
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from closegap.losses import GapClosing, InfoNCE

EXAMPLES = Path(__file__).parents[1] / "examples"


def loaded(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def test_two_processes_of_torchrun_train_as_one(tmp_path: Path) -> None:
    values, towers = loaded("own_loop_ddp")["train"]()
    assert values[-1] < values[0]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *launch, str(EXAMPLES / "own_loop_ddp.py"), str(tmp_path / "weights.pt")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = torch.load(tmp_path / "weights.pt", weights_only=True)
    torch.testing.assert_close(found["values"], values, rtol=1e-5, atol=1e-5)
    for name, weight in towers.state_dict().items():  # after five steps, of five gradients
        torch.testing.assert_close(found["weights"][name], weight, rtol=1e-4, atol=1e-5)


def test_lightning_trains_as_a_plain_loop() -> None:
    pytest.importorskip("pytorch_lightning")
    values, towers = loaded("own_loop_ddp")["train"]()
    model = loaded("lightning_loop")["fit"]()
    torch.testing.assert_close(model.values, values, rtol=1e-5, atol=1e-5)
    for name, weight in towers.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name].cpu(), weight, rtol=1e-4, atol=1e-5)


def test_open_clip_trains_with_our_loss(tmp_path: Path) -> None:
    open_clip, train = pytest.importorskip("open_clip"), pytest.importorskip("open_clip_train.train")
    vision = {"image_size": 16, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16}
    text = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
    torch.manual_seed(0)
    model = open_clip.CLIP(embed_dim=16, vision_cfg=vision, text_cfg=text, output_dict=True)
    batches = [(torch.randn(6, 3, 16, 16), torch.randint(1, 64, (6, 8))) for _ in range(2)]
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    loss = loaded("open_clip_loss")["OpenClipLoss"](GapClosing())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    arguments = Namespace(
        device="cpu", precision="fp32", distill=False, skip_scheduler=True, accum_freq=1, horovod=False, world_size=1,
        grad_clip_norm=None, rank=0, local_rank=0, log_every_n_steps=1, batch_size=6, wandb=False, distributed=False,
        save_logs=False,
    )  # fmt: skip
    data = {"train": Namespace(dataloader=_Loader(batches), set_epoch=lambda epoch: None)}
    train.train_one_epoch(model, data, loss, 0, optimizer, None, None, None, arguments)
    changed = [name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])]
    assert {"logit_scale", "visual.proj", "text_projection"} <= {*changed}

    rows = [normalize(torch.randn(5, 4), dim=1) for _ in range(2)]
    scale = torch.tensor(10.0)
    ours = loaded("open_clip_loss")["OpenClipLoss"](InfoNCE())(*rows, scale)
    torch.testing.assert_close(ours, open_clip.ClipLoss()(*rows, scale))


class _Loader(list[Any]):
    num_batches, num_samples = 2, 12
