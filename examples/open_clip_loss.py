"""open_clip's own training with closegap's losses: its arguments, its data, its models, on any number of processes.

python examples/open_clip_loss.py --model ViT-B-32 --train-data pairs.csv --dataset-type csv
"""

import sys

from torch import Tensor, nn

from closegap.distributed import gather_batch
from closegap.losses import GapClosing, Loss


class OpenClipLoss(nn.Module):
    """In the place of what `open_clip.create_loss(args)` gives; leave --local-loss and --gather-with-grad alone."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(
        self,
        image_features: Tensor,
        text_features: Tensor,
        logit_scale: Tensor,
        logit_bias: Tensor | None = None,
        output_dict: bool = False,
    ) -> dict[str, Tensor] | Tensor:
        rows, present, _ = gather_batch({"image": image_features, "text": text_features}, {})
        terms = self.loss(rows, present, temperature=1 / logit_scale, progress=0.0)
        return terms if output_dict else sum(terms.values())


if __name__ == "__main__":
    import open_clip_train.main

    open_clip_train.main.create_loss = lambda args: OpenClipLoss(GapClosing())
    open_clip_train.main.main(sys.argv[1:])
