"""Training steps: samples per second and peak memory, the same towers trained by open_clip's own loop and by ours.

    python benchmarks/step.py --batch 64 --size 112

The towers are open_clip's: a ViT of timm with random weights and open_clip's text transformer. open_clip trains them
with its `train_one_epoch`, InfoNCE alone. Ours trains them with InfoNCE alone, with Align True Pairs and Centroid
Uniformity beside it, and in two passes of micro-batches. Same batch, precision (fp32), optimiser and clipping.
"""

import logging
from argparse import Namespace
from typing import Any

import open_clip
import torch
from measure import apart, measured, options, write
from open_clip_train.train import train_one_epoch
from torch import Tensor, nn

from closegap.batch import Batch
from closegap.losses import GapClosing, InfoNCE
from closegap.models import Encoder, Model
from closegap.runs.training import Training
from closegap.training import optim
from closegap.training.cached_step import cached_step
from closegap.training.step import contrastive_step

STEPS = 2
VIT = "vit_tiny_patch16_224"


class Tower(Encoder):
    """One of open_clip's towers, projection included."""

    def __init__(self, tower: nn.Module, dim: int) -> None:
        super().__init__()
        self.tower, self.dim = tower, dim

    def preparer(self) -> Any:
        raise NotImplementedError

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.tower(inputs)
        return features


class Loader(list[tuple[Tensor, Tensor]]):
    """The batches, as open_clip's loop takes them."""

    num_batches, num_samples = STEPS, 0


def clip(size: int) -> open_clip.CustomTextCLIP:
    torch.manual_seed(0)
    vision = {"timm_model_name": VIT, "timm_pool": "", "timm_proj": "linear", "image_size": size}
    text = {"context_length": 77, "vocab_size": 49408, "width": 192, "heads": 3, "layers": 4}
    model = open_clip.CustomTextCLIP(192, vision, text, output_dict=True)
    model.visual.trunk.set_input_size(img_size=(size, size))
    return model


def measure(form: str, batch: int, size: int, micro_batch: int) -> dict[str, float]:
    model = clip(size)
    images, texts = torch.rand(batch, 3, size, size), torch.randint(1, 49000, (batch, 77))
    work = _theirs(model, images, texts) if form == "open_clip" else _ours(form, model, images, texts, micro_batch)
    costs = measured(work)  # not warmed: the first step's activations are the peak, and medians leave it out
    return {**costs, "samples_per_s": STEPS * batch / costs["seconds"]}


def _theirs(model: Any, images: Tensor, texts: Tensor) -> Any:
    args = Namespace(
        device="cpu", precision="fp32", distill=False, accum_freq=1, skip_scheduler=True, grad_clip_norm=1.0,
        horovod=False, rank=0, local_rank=0, world_size=1, batch_size=len(images), log_every_n_steps=10**9, wandb=False,
        distributed=False,
    )  # fmt: skip
    loader = Loader([(images, texts)] * STEPS)
    data = {"train": Namespace(dataloader=loader, set_epoch=lambda epoch: None)}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    logging.disable(logging.INFO)
    return lambda: train_one_epoch(model, data, open_clip.ClipLoss(), 0, optimizer, None, None, None, args)


def _ours(form: str, clip: Any, images: Tensor, texts: Tensor, micro_batch: int) -> Any:
    towers: dict[str, Encoder] = {"image": Tower(clip.visual, 192), "caption": Tower(clip.text, 192)}
    model = Model(towers, 192, head=lambda *_: nn.Identity())
    loss = InfoNCE() if form == "closegap InfoNCE" else GapClosing()
    training = Training(lr=1e-4)
    optimizer = optim.optimizer(optim.alignment_rates(model, loss, training), training)
    rows = torch.arange(len(images))
    batch = Batch({"image": images, "caption": texts}, {"image": rows, "caption": rows}, rows)
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]

    def work() -> None:
        model.train()
        for _ in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            given = (model, loss, batch, 0.0, True)
            if form == "closegap in two passes":
                cached_step(*given, micro_batch)
            else:
                torch.stack(list(contrastive_step(*given)[0].values())).sum().backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()

    return work


FORMS = ("open_clip", "closegap InfoNCE", "closegap GapClosing", "closegap in two passes")


def main() -> None:
    given = options(__doc__, batch=64, size=112, micro_batch=8)
    rows: list[dict[str, Any]] = [
        {"form": form, "batch": given.batch, **apart(measure, form, given.batch, given.size, given.micro_batch)}
        for form in FORMS
    ]
    for row in rows:
        row["ratio"] = row["samples_per_s"] / rows[0]["samples_per_s"]
    write("step", rows, ["form", "batch", "samples_per_s", "ratio", "cpu_seconds", "extra_mib"], given.out)


if __name__ == "__main__":
    main()
