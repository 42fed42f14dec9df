"""closegap's losses in a module of Lightning, on as many devices as its Trainer is told.

pip install 'pytorch-lightning>=2.5,<2.6'    # releases 2.6.2 and 2.6.3 of `lightning` were malicious
python examples/lightning_loop.py
"""

import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.utils.data import DataLoader

from closegap.distributed import gather_batch
from closegap.losses import GapClosing


class Aligned(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.towers = nn.ModuleDict({"image": nn.Linear(6, 4), "report": nn.Linear(3, 4)})
        self.loss = GapClosing()
        self.values: list[float] = []

    def training_step(self, batch: dict[str, Tensor]) -> Tensor:
        embeddings = {name: normalize(tower(batch[name]), dim=1) for name, tower in self.towers.items()}
        rows, present, _ = gather_batch(embeddings, {})  # all devices' rows, with gradient
        terms = self.loss(rows, present, temperature=0.1, progress=self.global_step / self.trainer.max_steps)
        total = torch.stack(list(terms.values())).sum()
        self.values.append(total.item())
        return total

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.5)


def fit(steps: int = 5) -> Aligned:
    torch.manual_seed(0)
    model = Aligned()
    torch.manual_seed(1)
    image, report = torch.randn(12, 6), torch.randn(12, 3)
    cases = [{"image": image[i], "report": report[i]} for i in range(12)]
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    Trainer(max_steps=steps, accelerator="auto", **quiet).fit(model, DataLoader(cases, batch_size=12))
    return model


if __name__ == "__main__":
    print(" ".join(f"{value:.4f}" for value in fit().values))
