"""The cases of a split, ready for the model: features of untrained towers looked up, other items left raw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import normalize

from closegap.batch import move
from closegap.data import Case
from closegap.data.checks import Verifier
from closegap.data.loader import Views, group_numbers, take, views
from closegap.data.verification import remember_sound
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.infer.features import FeatureCache
from closegap.kinds.base import Kind
from closegap.models.ahead import ahead
from closegap.models.model import Model


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
    """The cases with the features of every untrained tower, and the activations of every frozen prefix.

    Without a cache to keep them items stay raw.

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
        if cache is not None and encoder.untrained:
            found = replace(found, features=cache.features(encoder, found.items, device, progress=report))
        elif cache is not None and encoder.prefix is not None:
            found = replace(found, activations=cache.activations(encoder, found.items, device, report))
        elif cache is not None and keep_images and encoder.one_shape and found.items:
            inputs = cache.inputs(encoder.preparer(), encoder.takes(), found.items, report)
            found = replace(found, inputs=inputs)
        prepared[name] = found
    return Prepared(cases, prepared, group_numbers([case.group for case in cases]))


@torch.no_grad()
def feature_set(split: Prepared, model: Model, device: torch.device, batch_size: int = 64) -> EmbeddingSet:
    """The features of a split's cases as unit rows, the first view of each case, from the model as it is.

    Args:
        split: the cases.
        model: whose towers compute the features that are not kept; it is evaluated, and left in its mode.
        device: where they are computed.
        batch_size: items at once.
    """
    embeddings, present = {}, {}
    training = model.training
    model.to(device).eval()
    for name, found in split.views.items():
        starts = found.starts[:-1]
        present[name] = found.starts[1:] > starts
        rows = torch.zeros(len(starts), model.encoder(name).dim)
        chosen = starts[present[name]].tolist()
        batches = [chosen[first : first + batch_size] for first in range(0, len(chosen), batch_size)]
        preparer = model.encoder(name).preparer()
        parts = [rows[:0]]
        for inputs in ahead(partial(take, found, preparer=preparer), batches):
            parts.append(model.features(name, move(inputs, device)).float().cpu())
        rows[present[name]] = normalize(torch.cat(parts), dim=1)
        embeddings[name] = rows
    model.train(training)
    cases = split.cases
    return EmbeddingSet(embeddings, [case.id for case in cases], present, groups=[case.group for case in cases])


def verifiers(
    model: Model,
    cache: FeatureCache | None,
    device: torch.device,
    progress: Callable[[str, int, int], None] | None = None,
    keep_images: bool = False,
) -> dict[str, Verifier]:
    """What finds broken items by preparing them as `prepare` will, for `load_cases`: so that none is decoded twice.

    Modalities whose items are prepared batch by batch, or are quick to look at, are left to their kinds.

    Args:
        model: as for `prepare`, and so are the others.
        cache: where what is computed is then found.
        device: where features are computed.
        progress: called with (modality, items done, items to do).
        keep_images: whether prepared images are kept.
    """
    found: dict[str, Verifier] = {}
    for name in model.modalities:
        encoder, report = model.encoder(name), None if progress is None else _named(progress, name)
        if cache is None or not encoder.takes.costly:
            continue
        if encoder.untrained and not encoder.fitted:
            compute: Callable[..., Any] = partial(cache.features, encoder, device=device, progress=report)
            found[name] = partial(_refused, encoder.takes(), compute)
        elif encoder.prefix is not None:
            compute = partial(cache.activations, encoder, device=device, progress=report)
            found[name] = partial(_refused, encoder.takes(), compute)
        elif keep_images and encoder.one_shape:
            compute = partial(cache.inputs, encoder.preparer(), encoder.takes(), progress=report)
            found[name] = partial(_refused, encoder.takes(), compute)
    return found


def _refused(kind: Kind, compute: Callable[..., Any], items: Sequence[Any]) -> list[str | None]:
    refused: dict[int, str] = {}
    if items:
        compute(items=items, refused=refused)
    remember_sound(kind, [item for number, item in enumerate(items) if number not in refused])
    return [refused.get(number) for number in range(len(items))]


def _named(progress: Callable[[str, int, int], None], name: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(name, done, total)
