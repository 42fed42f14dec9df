"""Low-rank updates in place of the weights that would be trained: LoRA, by peft.

Reference: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, arXiv 2106.09685.
"""

from torch import nn

from closegap.errors import UsageError, needs

_SCALE = 2  # alpha over rank


def train_low_rank(tower: nn.Module, rank: int) -> None:
    """Freeze a tower, and give every linear map that was trained an update W + 2 B A of this rank, trained instead.

    B starts at zero: before the first step nothing has changed.

    Args:
        tower: whose last blocks are trained; changed in place.
        rank: of the update.

    Raises:
        UsageError: no linear map of it is trained.
    """
    with needs("lora"):
        from peft import LoraConfig, inject_adapter_in_model

    trained = [
        name for name, part in tower.named_modules() if isinstance(part, nn.Linear) and part.weight.requires_grad
    ]
    if not trained:
        raise UsageError(
            f"lora: {rank} given, and nothing is trained; set trained_blocks to how many blocks get updates, or to "
            "null for all"
        )
    tower.requires_grad_(False)
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=_SCALE * rank, target_modules=trained), tower)
