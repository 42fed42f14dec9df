"""Sums of losses with weights that may change over training, and the objective that closes the gap."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from closegap.bounds import NonNegativeFloat
from closegap.checked import check_fields
from closegap.errors import UsageError
from closegap.losses.base import Loss
from closegap.losses.centroid_uniformity import CentroidUniformity
from closegap.losses.contrastive import InfoNCE
from closegap.losses.embedded_batch import EmbeddedBatch
from closegap.losses.true_pairs import AlignTruePairs
from closegap.schedule import Schedule, constant

AUTHORS_ALIGN = Schedule([(0.5, 1.0), (1.0, 2.0)])
"""The authors' weight of Align True Pairs: 1 for the first half of training, then linearly to 2."""

AUTHORS_UNIFORMITY = Schedule([(0.2, 1.0), (0.7, 0.0)])
"""The authors' weight of Centroid Uniformity: 1 for the first fifth of training, then linearly to 0 at 0.7."""


@dataclass(frozen=True)
class Weighted:
    """A loss and its weight.

    Args:
        loss: any loss.
        weight: a number, or a schedule over the progress of training.
    """

    loss: Loss
    weight: NonNegativeFloat | Schedule = 1.0

    def __post_init__(self) -> None:
        check_fields(self)


class WeightedSum(Loss):
    """The terms of several losses, each times its weight at the progress of training.

    Terms of one name add up, so the total is the weighted sum whatever the losses call their terms.

    Args:
        losses: the losses with their weights.

    Raises:
        UsageError: no loss.

    Example:
        >>> import torch
        >>> loss = WeightedSum([Weighted(InfoNCE()), Weighted(AlignTruePairs(), Schedule([(0.5, 0.0), (1.0, 3.0)]))])
        >>> views = {"image": torch.eye(2), "text": torch.eye(2).flip(0)}
        >>> {name: round(value.item(), 2) for name, value in loss(views, {}, 1.0, progress=1.0).items()}
        {'contrastive': 1.31, 'align': 6.0}
    """

    def __init__(self, losses: Sequence[Weighted]) -> None:
        super().__init__()
        if not losses:
            raise UsageError("WeightedSum.losses: [] given, expected one loss or more")
        self.losses = nn.ModuleList(weighted.loss for weighted in losses)
        self.weights = [
            weighted.weight if isinstance(weighted.weight, Schedule) else constant(weighted.weight)
            for weighted in losses
        ]

    def terms(self, batch: EmbeddedBatch) -> dict[str, Float[Tensor, ""]]:
        """The terms of all losses, weighted; see `Loss.terms`."""
        total: dict[str, Tensor] = {}
        for loss, weight in zip(self.losses, self.weights, strict=True):
            assert isinstance(loss, Loss)
            for name, value in loss.terms(batch).items():
                weighted = weight(batch.progress) * value
                total[name] = total[name] + weighted if name in total else weighted
        return total


class GapClosing(Loss):
    """InfoNCE + align * Align True Pairs + uniformity * Centroid Uniformity.

    Terms `contrastive`, `align` and `uniformity`. Constant weights and the authors' code's Centroid Uniformity by
    default; `GapClosing(AUTHORS_ALIGN, AUTHORS_UNIFORMITY)` follows the authors' schedule. Other variants of the parts
    are a `WeightedSum`.

    Args:
        align: weight of Align True Pairs, a number or a schedule over the progress of training.
        uniformity: weight of Centroid Uniformity, likewise.
        anchor: the modality that Align True Pairs pulls the others to; the first one by default.
        paper: the paper's Centroid Uniformity in place of the authors' code's; of three modalities or more, two cannot
            cancel in it.

    Example:
        >>> import torch
        >>> views = {"image": torch.eye(4), "report": torch.eye(4)}
        >>> terms = GapClosing()(views, {}, temperature=0.07, progress=0.0)
        >>> {name: round(value.item(), 4) for name, value in terms.items()}
        {'contrastive': 0.0, 'align': 0.0, 'uniformity': -4.0}

    Reference:
        Grassucci et al., Closing the gap in multimodal medical representation alignment, arXiv 2602.20046.
    """

    def __init__(
        self,
        align: NonNegativeFloat | Schedule = 1.0,
        uniformity: NonNegativeFloat | Schedule = 1.0,
        anchor: str | None = None,
        paper: bool = False,
    ) -> None:
        super().__init__()
        self.parts = WeightedSum(
            [
                Weighted(InfoNCE()),
                Weighted(AlignTruePairs(anchor), align),
                Weighted(CentroidUniformity(paper), uniformity),
            ]
        )

    def terms(self, batch: EmbeddedBatch) -> dict[str, Float[Tensor, ""]]:
        """The three terms, weighted; see `Loss.terms`."""
        return self.parts.terms(batch)
