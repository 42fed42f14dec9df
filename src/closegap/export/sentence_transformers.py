"""A model as modules of sentence-transformers, which loads them without a line of ours."""

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from closegap.errors import ClosegapError, UsageError, needs
from closegap.export.affine import Affine, affine, affine_posthoc
from closegap.files import whole_folder
from closegap.models.canonical_head import CanonicalHead
from closegap.models.card import CARD, Card, model_card
from closegap.models.heads import MLPHead
from closegap.models.model import Model
from closegap.models.towers.transformers import TransformersTextEncoder

with needs("sentence-transformers"):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Module
    from sentence_transformers.sentence_transformer.modules import (
        Dense,
        LayerNorm,
        Normalize,
        Pooling,
        Router,
        Transformer,
    )

_TOLERANCE = 1e-5


def write_sentence_transformers(
    model: Model,
    folder: Path,
    modalities: Sequence[str] = (),
    card: Card = Card(),  # noqa: B008 - frozen
) -> None:
    """Write towers, heads and post-hoc map as native modules into a new folder, whole or not at all.

    `SentenceTransformer(folder)` loads it, with `trust_remote_code=False` and without closegap. Several modalities are
    the routes of a `Router`, each named by its modality: `encode(texts, task="report")`. Before the folder gets its
    name it is loaded, and must give what the model gives, to 1e-5.

    A tower must be a `TransformersTextEncoder`: the image processors of that library do not pad as ours do, and it has
    no modules for the others. A linear head is a `Dense`; an `MLPHead` is a `LayerNorm` and two `Dense`, whose first
    has the shortcut in it as gelu(x) - gelu(-x) = x; a `CanonicalHead` is a `Dense` while its residual is zero.

    Args:
        model: any of such parts.
        folder: must not exist.
        modalities: what is exported; all by default.
        card: what README.md says.

    Raises:
        UsageError: the folder exists, a modality that the model has not, or a part that has no native module.
        ClosegapError: what was written gives something else.
    """
    if folder.exists():
        raise UsageError(f"{folder}: exists already; export to another folder, or delete it")
    for name in modalities:
        if name not in model.modalities:
            raise UsageError(f"no modality '{name}'; the model has {', '.join(model.modalities)}")
    chosen = list(modalities) or list(model.modalities)
    plain = copy.deepcopy(model).cpu().float().eval()
    towers = {name: _text_tower(plain, name) for name in chosen}
    behind = {name: [*_head(plain, name), Normalize(), *_posthoc(plain, name)] for name in chosen}
    with whole_folder(folder) as temporary:
        routes = {name: [*_tower(towers[name]), *behind[name]] for name in chosen}
        modules: Any = [Router(routes)] if len(routes) > 1 else routes[chosen[0]]
        SentenceTransformer(modules=modules, device="cpu").save(str(temporary), create_model_card=False)
        _expect_equal(plain, temporary, chosen)
        (temporary / CARD).write_text(model_card(model, card, "sentence-transformers", chosen), encoding="utf-8")


def _text_tower(model: Model, modality: str) -> TransformersTextEncoder:
    """The tower of a modality.

    Raises:
        UsageError: another tower.
    """
    encoder = model.encoder(modality)
    if not isinstance(encoder, TransformersTextEncoder):
        raise _foreign(modality, encoder, "only TransformersTextEncoder has; name the modalities to export")
    return encoder


def _tower(encoder: TransformersTextEncoder) -> list[Module]:
    with tempfile.TemporaryDirectory() as folder:
        packed = encoder.pack(Path(folder))
        encoder.tower.save_pretrained(folder)
        transformer = Transformer(folder, max_seq_length=encoder.preparer().max_length)
    return [transformer, Pooling(encoder.dim, packed["pooling"])]


def _head(model: Model, modality: str) -> list[Module]:
    """The modules that do what a head does.

    Raises:
        UsageError: a head that no modules are.
    """
    encoder, head = model.encoder(modality), model.heads[modality]
    if isinstance(head, MLPHead):
        return _mlp(head)
    if isinstance(head, CanonicalHead) and not (head.contract.weight.any() or head.contract.bias.any()):
        weight = head.map.T
        return [Normalize(), _dense(Affine(weight, -weight @ head.mean))]
    found = affine(copy.deepcopy(head).double(), encoder.dim)
    if found is None:
        what = "LinearHead, MLPHead and a CanonicalHead that was not trained have"
        raise _foreign(modality, head, what)
    return [_dense(found)]


def _mlp(head: MLPHead) -> list[Module]:
    """shortcut(x) + contract(gelu(expand(x))) in two layers, since gelu(x) - gelu(-x) = x."""
    norm = LayerNorm(head.expand.in_features)
    norm.norm = copy.deepcopy(head.norm)
    same = torch.eye(head.expand.in_features)
    none = torch.zeros(len(same))
    wide = Affine(torch.cat([head.expand.weight, same, -same]), torch.cat([head.expand.bias, none, none]))
    shortcut = head.shortcut.weight
    narrow = Affine(torch.cat([head.contract.weight, shortcut, -shortcut], 1), head.contract.bias)
    return [norm, _dense(wide, nn.GELU()), _dense(narrow)]


def _posthoc(model: Model, modality: str) -> list[Module]:
    """The modules of the post-hoc map; none without one.

    Raises:
        UsageError: a map that is not affine.
    """
    if model.posthoc is None:
        return []
    found = affine_posthoc(model.posthoc, modality)
    if found is None:
        raise _foreign(modality, model.posthoc, "a map of a matrix and an offset has")
    return [_dense(found), Normalize()]


def _foreign(modality: str, part: object, which: str) -> UsageError:
    return UsageError(f"{modality}: {type(part).__name__} has no native modules of sentence-transformers; {which}")


def _dense(found: Affine, activation: nn.Module | None = None) -> Dense:
    weight, bias = found.weight.detach().float(), found.bias.detach().float()
    dense = Dense(
        weight.shape[1],
        len(weight),
        activation_function=nn.Identity() if activation is None else activation,
        init_weight=weight.contiguous(),
        init_bias=bias.contiguous(),
    )
    return dense


def _expect_equal(model: Model, folder: Path, modalities: Sequence[str]) -> None:
    again: Any = SentenceTransformer(str(folder), device="cpu", trust_remote_code=False, local_files_only=True)
    for name in modalities:
        texts = list(_text_tower(model, name).preparer().examples)
        route = {"task": name} if len(modalities) > 1 else {}
        found: Tensor = again.encode(texts, convert_to_tensor=True, show_progress_bar=False, **route)
        items: dict[str, Any] = {name: texts}
        away = float((found - model.embed(**items)[name]).abs().max())
        if not away <= _TOLERANCE:
            raise ClosegapError(f"{name}: its modules give vectors that are {away:.1g} away from the model's")
