"""Every loss beside its reference, and random batches for both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from tests.reference import losses as reference
from tests.reference.losses import Batch, Terms
from torch import Tensor
from torch.nn.functional import normalize

from closegap.losses import (
    AlignToCentroid,
    AlignTruePairs,
    CentroidUniformity,
    CyCLIP,
    GapClosing,
    GramVolume,
    InfoNCE,
    Loss,
    SigLIP,
    UniformityAlignment,
)

TAU = 0.2
TEMPERATURE = torch.tensor(TAU, dtype=torch.float64)
MODALITIES = ("image", "report", "record")
EPS = 1e-5


@dataclass(frozen=True)
class Arm:
    """A loss and what its terms should be."""

    build: Callable[[], Loss]
    terms: Callable[[Batch], Terms]
    without: Sequence[str] = ()  # checks of every loss that do not apply


ARMS = {
    "InfoNCE": Arm(InfoNCE, lambda batch: reference.contrastive_terms(batch, TAU)),
    "InfoNCE anchored": Arm(
        lambda: InfoNCE(anchor="report"), lambda batch: reference.contrastive_terms(batch, TAU, "report")
    ),
    "AlignTruePairs": Arm(lambda: AlignTruePairs("image"), lambda batch: reference.align_terms(batch, "image")),
    "AlignTruePairs, anchor held": Arm(
        lambda: AlignTruePairs("report", stop_gradient=True),
        lambda batch: reference.align_terms(batch, "report"),
        without=["derivative"],
    ),
    "AlignToCentroid": Arm(AlignToCentroid, reference.align_to_centroid_terms),
    "CentroidUniformity": Arm(CentroidUniformity, reference.centroid_uniformity_terms),
    "CentroidUniformity paper": Arm(
        lambda: CentroidUniformity(paper=True), lambda batch: reference.centroid_uniformity_terms(batch, paper=True)
    ),
    "GapClosing": Arm(
        lambda: GapClosing(0.5, 2.0, anchor="image"),
        lambda batch: reference.gap_closing_terms(batch, TAU, 0.5, 2.0, "image"),
    ),
    "UniformityAlignment": Arm(UniformityAlignment, lambda batch: reference.uniformity_alignment_terms(batch, TAU)),
    "SigLIP": Arm(lambda: SigLIP(bias=-2.0), lambda batch: reference.siglip_terms(batch, TAU, -2.0)),
    "CyCLIP": Arm(CyCLIP, lambda batch: reference.cyclip_terms(batch, TAU)),
    "GramVolume": Arm(lambda: GramVolume("image", EPS), lambda batch: reference.volume_terms(batch, TAU, "image", EPS)),
}


@dataclass(frozen=True)
class Given:
    """What a loss is called with."""

    embeddings: dict[str, Tensor]
    present: dict[str, Tensor]
    groups: Tensor | None

    def total(self, loss: Loss) -> Tensor:
        """The sum of the terms."""
        terms = loss.forward(self.embeddings, self.present, TEMPERATURE, 0.0, self.groups)
        return torch.stack(list(terms.values())).sum()

    def gradients(self, loss: Loss) -> dict[str, Tensor]:
        """Gradients of the total by modality; zero where nothing arrives."""
        total = self.total(loss)
        found = torch.autograd.grad(total, list(self.embeddings.values()), allow_unused=True)
        return {
            name: torch.zeros_like(rows) if gradient is None else gradient
            for (name, rows), gradient in zip(self.embeddings.items(), found, strict=True)
        }

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "Given":
        """The same with every modality's rows changed, as leaves that take gradients."""
        changed = {name: change(rows.detach()).requires_grad_() for name, rows in self.embeddings.items()}
        return Given(changed, self.present, self.groups)


def draw(
    seed: int,
    n: int = 7,
    d: int = 5,
    m: int = 3,
    missing: float = 0.0,
    groups: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Given:
    """Unit-norm rows of cases that share a direction; absent rows are NaN; `groups` groups, none for 0."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(n, d, generator=generator, dtype=torch.float64)
    embeddings, present = {}, {}
    for name in MODALITIES[:m]:
        rows = normalize(shared + torch.randn(n, d, generator=generator, dtype=torch.float64), dim=1)
        if missing:
            present[name] = torch.rand(n, generator=generator) >= missing
            rows[~present[name]] = torch.nan
        embeddings[name] = rows.to(dtype).requires_grad_()
    numbers = torch.randint(groups, (n,), generator=generator) if groups else None
    return Given(embeddings, present, numbers)
