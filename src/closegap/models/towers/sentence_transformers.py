"""Models of sentence-transformers, of one modality or several."""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.bounds import NonNegativeInt
from closegap.errors import UsageError, needs
from closegap.files import digest
from closegap.kinds.decoding import decoded
from closegap.kinds.image import ImageKind
from closegap.kinds.text import TextKind
from closegap.models.base import Encoder
from closegap.models.pretrained import expect_plain_configs, from_transformers
from closegap.models.towers.freezing import numbered_blocks, train_last_blocks
from closegap.models.towers.held import held
from closegap.models.towers.transformers_dual import Role, one_half, temperature

with needs("sentence-transformers"):
    from sentence_transformers import SentenceTransformer

Prepared: TypeAlias = Mapping[str, Any]

_ADVICE = "give a local folder that sentence-transformers saved"


class SentenceTransformersTower(Encoder):
    """A model of sentence-transformers as it embeds one modality; of a CLIP-like one it keeps that tower alone."""

    tower: Any
    _role: Role
    _preparer: "_Preparer"

    def _adopt(self, name: str, trained_blocks: int | None) -> None:
        whole = _whole(name)
        if self._role not in whole.modalities:
            raise UsageError(f"{name}: embeds {', '.join(map(str, whole.modalities))}, expected {self._role}")
        self.tower = _part(whole, self._role)
        if trained_blocks != 0 and type(whole[0]).__name__ == "Router":
            raise UsageError(f"trained_blocks: {trained_blocks} given, a Router has towers of other modalities too; 0")
        train_last_blocks(self.tower, numbered_blocks(self.tower), trained_blocks)
        self._preparer = _Preparer(self.tower, self._role)
        with torch.no_grad():
            self.dim = self.eval()(self._preparer([_EXAMPLES[self._role]()])).shape[1]
        self.train()

    def preparer(self) -> "Callable[[Sequence[Any]], Prepared]":
        """What the model's own first module prepares items with."""
        return self._preparer

    def forward(self, inputs: Prepared) -> Float[Tensor, "n dim"]:
        """Embeddings, not normalised unless the model does so."""
        found: Tensor = self.tower(dict(inputs))["sentence_embedding"]
        return found[:, : self.tower.truncate_dim]

    def pack(self, folder: Path) -> Mapping[str, Any]:
        """The model as sentence-transformers saves it, weights included, from which alone it is rebuilt."""
        self.tower.save_pretrained(str(folder), create_model_card=False)
        return {**super().pack(folder), "name": "."}

    @classmethod
    def unpack(cls, folder: Path, arguments: Mapping[str, Any]) -> Self:
        """The tower of that folder."""
        return cls(**{**arguments, "name": str(folder)})

    def fingerprint(self) -> str:
        """As every encoder's, modules included."""
        return digest(super().fingerprint().encode(), " ".join(type(part).__name__ for part in self.tower).encode())


class SentenceTransformersTextEncoder(SentenceTransformersTower):
    """A model of sentence-transformers as it embeds texts, its default prompt before them.

    Args:
        name: a hub name or a folder; `package:<package>/<folder>` names one inside an installed package.
        trained_blocks: how many blocks are trained, from the output back; 0 freezes the tower, null trains all of it.

    Raises:
        UsageError: a model of other modalities.
        ClosegapError: no such model, locally or on the hub, or code of its own.
    """

    takes = TextKind
    _role = "text"

    def __init__(self, name: str, trained_blocks: NonNegativeInt | None = 0) -> None:
        super().__init__()
        self._adopt(name, trained_blocks)


class SentenceTransformersImageEncoder(SentenceTransformersTower):
    """A model of sentence-transformers as it embeds images.

    Args:
        name: see `SentenceTransformersTextEncoder`.
        trained_blocks: see there.

    Raises:
        UsageError: see there.
        ClosegapError: see there.
    """

    takes = ImageKind
    _role = "image"

    def __init__(self, name: str, trained_blocks: NonNegativeInt | None = 0) -> None:
        super().__init__()
        self._adopt(name, trained_blocks)


def sentence_transformers_towers(name: str) -> tuple[dict[str, Encoder], float | None]:
    """The towers of images and texts, frozen, read once, and the temperature of a CLIP-like model; else None.

    Args:
        name: see `SentenceTransformersTextEncoder`.
    """
    whole = _whole(name)  # held, so that both towers are parts of it
    towers: dict[str, Encoder] = {
        "image": SentenceTransformersImageEncoder(name),
        "text": SentenceTransformersTextEncoder(name),
    }
    return towers, temperature(getattr(whole[0], "model", None))


class _Preparer:
    """Items of one modality to what the model's first module makes of them; it holds none of its weights."""

    def __init__(self, model: Any, role: Role) -> None:
        self._first, self._role = _without_weights(model[0]), role
        self._prompt = (model.prompts or {}).get(model.default_prompt_name) if role == "text" else None
        self({"text": ["a"]}.get(role, []))  # a fast tokenizer keeps how the first call pads: threads find it set
        self._said = digest(json.dumps([_said(self._first, role), self._prompt, role], default=str).encode())

    def __call__(self, items: Sequence[Any]) -> Prepared:
        if not items:
            return {}
        if self._role == "text":
            return dict(self._first.preprocess([{"text": item} for item in items], prompt=self._prompt or None))
        return dict(self._first.preprocess([{"image": _image(item)} for item in items]))

    def __repr__(self) -> str:
        return f"SentenceTransformersPreparer({self._said})"


def _image(item: Any) -> Any:
    with decoded(item) as image:
        return image


def _grey() -> Any:
    from PIL import Image

    return Image.new("L", (32, 32))


_EXAMPLES: Mapping[Role, Callable[[], Any]] = {"text": lambda: "a", "image": _grey}


def _without_weights(module: Any) -> Any:
    """A copy of a Transformer module that can prepare and nothing else; other modules as they are."""
    inner = getattr(module, "model", None)
    if inner is None:
        return module
    light = copy.copy(module)
    light._modules = {}
    light.__dict__["model"] = SimpleNamespace(config=inner.config)
    return light


def _said(module: Any, role: Role) -> list[Any]:
    """What the preparation depends on."""
    words = getattr(getattr(module, "tokenizer", None), "backend_tokenizer", None)
    pixels = getattr(getattr(module, "processor", None), "image_processor", None)
    if role == "text":
        return [type(module).__name__, words and words.to_str(), getattr(module, "max_seq_length", None)]
    return [type(module).__name__, pixels and pixels.to_json_string()]


def _part(whole: Any, role: Role) -> Any:
    """The model with the tower of one modality alone, where it is a CLIP-like one."""
    inner = getattr(whole[0], "model", None)
    if not (hasattr(inner, "get_text_features") and hasattr(inner, "get_image_features")):
        return whole
    first, made = copy.copy(whole[0]), copy.copy(whole)
    first._modules = {**whole[0]._modules, "model": one_half(inner, role)}
    made._modules = {**whole._modules, next(iter(whole._modules)): first}
    return made


def _whole(name: str) -> Any:
    def load() -> Any:
        with from_transformers("model of sentence-transformers", name, _ADVICE) as (place, options):
            expect_plain_configs(place, options)
            weights = {"dtype": torch.float32, "use_safetensors": True}
            return SentenceTransformer(place, device="cpu", model_kwargs=weights, **options)

    return held("sentence-transformers", name, load)
