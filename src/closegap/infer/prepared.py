"""The cases of a split, ready for the model: features of frozen towers looked up, other items left raw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from closegap.data import Case
from closegap.data.loader import Views, group_numbers, views
from closegap.infer.features import FeatureCache
from closegap.models.model import Model
from closegap.models.towers.image_preparer import ImagePreparer


@dataclass(frozen=True)
class Prepared:
    """One split.

    Args:
        cases: its cases.
        views: modality name to all their items.
        groups: one number per case.
    """

    cases: Sequence[Case]
    views: Mapping[str, Views]
    groups: Int[Tensor, "n"]


def prepare(
    cases: Sequence[Case],
    model: Model,
    cache: FeatureCache | None,
    device: torch.device,
    progress: Callable[[str, int, int], None] | None = None,
    keep_images: bool = False,
) -> Prepared:
    """The cases with the features of every frozen tower, if there is a cache to keep them.

    Args:
        cases: the cases.
        model: whose towers compute features.
        cache: where features are kept; None leaves every item raw.
        device: where features are computed.
        progress: called with (modality, items done, items to do).
        keep_images: hold the prepared images of trained towers in memory, and in the cache.
    """
    prepared = {}
    for name in model.modalities:
        found = views(cases, name)
        encoder, report = model.encoder(name), None if progress is None else _named(progress, name)
        preparer = encoder.preparer()
        if cache is not None and encoder.frozen:
            found = replace(found, features=cache.features(encoder, found.items, device, progress=report))
        elif cache is not None and keep_images and found.items and isinstance(preparer, ImagePreparer):
            found = replace(found, inputs=cache.inputs(preparer, found.items, report))
        prepared[name] = found
    return Prepared(cases, prepared, group_numbers([case.group for case in cases]))


def _named(progress: Callable[[str, int, int], None], name: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(name, done, total)
