"""Which part of a tower is trained."""

import re
from collections.abc import Mapping

from torch import nn

from closegap.errors import UsageError

_BLOCK = re.compile(r"(?:^|\.)(?:layer|layers|h|block|blocks|resblocks)\.(\d+)\.")


def numbered_blocks(tower: nn.Module) -> dict[str, int]:
    """Parameter name to block of a tower of transformers: embeddings 0, layers from 1, the rest belongs to the last.

    A second stack of layers, such as BLIP-2's behind its image tower, goes on counting where the first ended.
    """
    depth, last, before = {}, 0, 0
    for name, _ in tower.named_parameters():
        if found := _BLOCK.search(name):
            number = int(found.group(1)) + 1
            if before + number < last:
                before = last
            last = before + number
        depth[name] = last
    return depth


def train_last_blocks(module: nn.Module, depth: Mapping[str, int], blocks: int | None) -> None:
    """Leave the last `blocks` depths of `module` trainable and freeze the rest; None trains all, 0 freezes all.

    Args:
        module: the tower.
        depth: parameter name to its block, counted from the input.
        blocks: how many blocks, from the output back.

    Raises:
        UsageError: a negative number of blocks, or more than the tower has.
    """
    levels = sorted(set(depth.values()))
    if blocks is not None and not 0 <= blocks <= len(levels):
        raise UsageError(f"trained_blocks: {blocks} given, the tower has {len(levels)}; null trains all, 0 freezes it")
    trained = set(levels if blocks is None else levels[len(levels) - blocks :])
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(depth[name] in trained)
