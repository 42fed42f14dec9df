"""A model as a folder: what its parts are built from as JSON, their weights as safetensors, nothing pickled."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from closegap.errors import ClosegapError, MissingExtraError, UsageError
from closegap.files import file_digest, whole_folder
from closegap.models.base import Encoder
from closegap.models.card import CARD, Card, model_card
from closegap.models.description import ModelDescription, PartDescription, TowerDescription
from closegap.models.heads import Head
from closegap.models.model import Model
from closegap.models.recipe import Part, Recipe, Recorded, as_json, trusted_class
from closegap.models.temperature import Temperature
from closegap.posthoc import PostHoc

DESCRIPTION = "model.json"
_WEIGHTS, _POSTHOC, _TOWERS = "model.safetensors", "posthoc.safetensors", "encoders"


def write_model(model: Model, folder: Path, towers: Literal["inside", "named"], card: Card) -> None:
    """Write a model into a new folder, whole or not at all; see `Model.save_pretrained`."""
    if towers not in ("inside", "named"):
        raise UsageError(f"towers: {towers!r} given, expected 'inside' or 'named'")
    if folder.exists():
        raise UsageError(f"{folder}: exists already; save to another folder, or delete it")
    named = [name for name in model.modalities if towers == "named" and model.encoder(name).frozen]
    with whole_folder(folder) as temporary:
        encoders = {}
        for name in model.modalities:
            home = None if name in named else _home(temporary, name)
            encoders[name] = _describe_tower(model.encoder(name), home)
        if (temporary / _TOWERS).is_dir() and not any((temporary / _TOWERS).iterdir()):
            (temporary / _TOWERS).rmdir()
        heads = {name: _describe(head) for name, head in model.heads.items()}
        _save_weights(model, temporary / _WEIGHTS, named)
        if model.posthoc is not None:
            model.posthoc.save(temporary / _POSTHOC)
        found = ModelDescription(
            model.dim,
            encoders,
            heads,
            _describe(model.temperature),
            posthoc=model.posthoc is not None,
            files={file.relative_to(temporary).as_posix(): file_digest(file) for file in _files(temporary)},
        )
        found.write(temporary / DESCRIPTION)
        try:
            read_model(temporary, _parts(model))
        except ClosegapError as error:
            reason = str(error).replace(str(temporary), str(folder))
            raise ClosegapError(f"not saved, since it would not load as it is: {reason}") from error
        # No part of the model, so that model.json has no digest of it: whoever shares a model may say more of it.
        (temporary / CARD).write_text(model_card(model, card), encoding="utf-8")


def read_model(folder: Path, trusted: Sequence[str] = ()) -> Model:
    """The model of a folder, in evaluation mode, on the CPU; see `Model.from_pretrained`."""
    found, where = ModelDescription.read(folder / DESCRIPTION), str(folder / DESCRIPTION)
    _expect_files(folder, found.files)
    with torch.random.fork_rng(devices=[]):  # what is built starts random, but whoever loads draws on as if it did not
        encoders = {
            name: _tower(entry, _home(folder, name), trusted, f"{where}: encoders.{name}")
            for name, entry in found.encoders.items()
        }
        heads = {
            name: _part(entry, Head, trusted, f"{where}: heads.{name}")  # type: ignore[type-abstract]
            for name, entry in found.heads.items()
        }
        temperature = _part(
            found.temperature,
            Temperature,  # type: ignore[type-abstract]
            trusted,
            f"{where}: temperature",
        )
        model = _built(lambda: Model(encoders, found.dim, temperature=temperature), where)
    for name, head in heads.items():
        model.heads[name] = head
    named = [name for name, entry in found.encoders.items() if entry.packed is None]
    _load_weights(model, folder / _WEIGHTS, named)
    for name, entry in found.encoders.items():
        if model.encoder(name).fingerprint() != entry.fingerprint:
            what = f"{entry.class_path} of the same arguments has" if name in named else "the folder holds"
            raise ClosegapError(f"{folder}: {what} other weights or preparation than the {name} tower that was saved")
    if found.posthoc:
        model = model.with_posthoc(PostHoc.load(folder / _POSTHOC, trusted))
    return model.eval()


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _expect_files(folder: Path, digests: Mapping[str, str]) -> None:
    """Refuse a folder in which a file is missing, or is not what was written."""
    for name, expected in digests.items():
        file = folder / name
        if not file.is_file():
            raise ClosegapError(f"{file}: no such file; copy the model's folder whole")
        if file_digest(file) != expected:
            raise ClosegapError(f"{file}: damaged (not what was written); copy the model's folder again")


def _describe_tower(encoder: Encoder, home: Path | None) -> TowerDescription:
    """An encoder, with what it packs in `home`; named without one."""
    recipe, packed = encoder.recipe, None
    if home is None:
        recipe.written()
    else:
        home.mkdir(parents=True)
        packed = as_json(encoder.pack(home))
        if not any(home.iterdir()):
            home.rmdir()
    return TowerDescription(recipe.class_path, recipe.arguments, packed, encoder.untrained, encoder.fingerprint())


def _tower(entry: TowerDescription, home: Path, trusted: Sequence[str], where: str) -> Encoder:
    found = trusted_class(entry.class_path, Encoder, trusted, where)  # type: ignore[type-abstract]
    packed, given = entry.packed, entry.init_args
    if packed is not None:
        encoder = _built(lambda: found.unpack(home, packed), where)
    else:
        encoder = _built(lambda: found(**(given or {})), where)
    encoder.recipe = Recipe(entry.class_path, given)  # it may be saved by name again
    return encoder.requires_grad_(False) if entry.frozen else encoder


def _describe(part: object) -> PartDescription:
    if not isinstance(part, Recorded):
        raise ClosegapError(f"{type(part).__name__} cannot be saved: a head must be a closegap.models.Head")
    return PartDescription(part.recipe.class_path, part.recipe.written())


def _part(entry: PartDescription, base: type[Part], trusted: Sequence[str], where: str) -> Part:
    found = trusted_class(entry.class_path, base, trusted, where)
    return _built(lambda: found(**entry.init_args), where)


def _built(build: Callable[[], Part], where: str) -> Part:
    """What `build` builds; whatever a constructor makes of a file's arguments is one line."""
    try:
        return build()
    except MissingExtraError:
        raise
    except ClosegapError as error:
        raise ClosegapError(f"{where}: {error}") from error
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ClosegapError(f"{where}: cannot be built ({type(error).__name__}: {reason})") from error


def _parts(model: Model) -> list[str]:
    """Class paths of what the model consists of."""
    modules = (*(model.encoder(name) for name in model.modalities), *model.heads.values(), model.temperature)
    paths = [module.recipe.class_path for module in modules if isinstance(module, Recorded)]
    kind = type(model.posthoc)
    return [*paths, f"{kind.__module__}.{kind.__qualname__}"]


def _home(folder: Path, modality: str) -> Path:
    """Where a tower's files are. A name has no dots, and none leads out of the folder."""
    return folder / _TOWERS / quote(modality, safe="")


def _save_weights(model: Model, path: Path, named: Sequence[str]) -> None:
    state = _state(model, named)
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor):
            raise ClosegapError(f"{name} is a {type(tensor).__name__}; only tensors of a state_dict can be saved")
    # Copies: tensors that share memory, such as tied embeddings, are written each.
    save_file({name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}, path)


def _load_weights(model: Model, path: Path, named: Sequence[str]) -> None:
    try:
        saved = load_file(path)
    except FileNotFoundError:
        raise ClosegapError(f"{path}: no such file; copy the model's folder whole") from None
    except (OSError, SafetensorError) as error:
        raise ClosegapError(
            f"{path}: damaged ({' '.join(str(error).split())}); copy the model's folder again"
        ) from error
    own = _state(model, named)
    for name in sorted(saved.keys() ^ own.keys()):
        raise ClosegapError(f"{path}: weights of another model ({name} is in one and not in the other)")
    for name, tensor in own.items():
        if saved[name].shape != tensor.shape or saved[name].is_floating_point() != tensor.is_floating_point():
            given, expected = (f"{value.dtype} {tuple(value.shape)}" for value in (saved[name], tensor))
            raise ClosegapError(f"{path}: weights of another model ({name} is {given}, model.json's is {expected})")
    # Assigned, so that a model in half precision comes back in it; cloned, since the file may change.
    model.load_state_dict({name: tensor.clone() for name, tensor in saved.items()}, strict=False, assign=True)


def _state(model: Model, named: Sequence[str]) -> Mapping[str, Tensor]:
    """The tensors that the folder holds: all but those of named towers."""
    outside = tuple(f"encoders.{name}." for name in named)
    return {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(outside)}
