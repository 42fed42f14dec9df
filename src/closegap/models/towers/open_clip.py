"""Both towers of models of open_clip."""

import copy
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from closegap.bounds import NonNegativeInt
from closegap.errors import needs
from closegap.files import digest
from closegap.kinds.decoding import decoded
from closegap.kinds.image import ImageKind
from closegap.kinds.text import TextKind
from closegap.models.base import Encoder
from closegap.models.towers.freezing import numbered_blocks, train_last_blocks
from closegap.models.towers.open_clip_checkpoint import OF_TEXT, loading, parsed, whole_model

with needs("open-clip"):
    import open_clip
    from open_clip.transform import PreprocessCfg, image_transform_v2

Role: TypeAlias = Literal["image", "text"]

_CONFIG = "open_clip_config.json"
_PROJECTIONS = ("proj", "text_projection")  # parameters, listed before all modules, though they are used last
_NOT_OF_TEXT = ("visual", "text_decoder", "logit_scale", "logit_bias")
_SMALL: Mapping[Role, Mapping[str, Any]] = {  # the half that a tower's own folder has no use for
    "image": {"image_size": 16, "patch_size": 16, "width": 8, "layers": 1, "head_width": 8},
    "text": {"context_length": 2, "vocab_size": 2, "width": 8, "heads": 1, "layers": 1},
}


class OpenClipTower(Encoder):
    """What both towers of a model of open_clip have in common: a name, and a folder as that library writes it."""

    tower: Any
    _role: Role
    _config: Mapping[str, Any]
    _preparer: Any

    def _adopt(self, name: str, trained_blocks: int | None, pretrained: bool, checkpointing: bool) -> None:
        whole, self._config = whole_model(name, pretrained)
        self.tower = whole.visual if self._role == "image" else _without(whole, _NOT_OF_TEXT)
        self.dim = int(self._config["model_cfg"]["embed_dim"])
        if checkpointing:
            whole.set_grad_checkpointing()
        train_last_blocks(self.tower, _blocks(self.tower), trained_blocks)

    def preparer(self) -> Callable[[Sequence[Any]], Tensor]:
        """What open_clip prepares items with."""
        found: Callable[[Sequence[Any]], Tensor] = self._preparer
        return found

    def pack(self, folder: Path) -> Mapping[str, Any]:
        """The config as open_clip writes it, the other tower as small as can be."""
        model: dict[str, Any] = copy.deepcopy(dict(self._config["model_cfg"]))
        if model.pop("multimodal_cfg", None) is not None:
            model["custom_text"] = True  # of CoCa, without its decoder
        model |= {"text_cfg": _SMALL["text"]} if self._role == "image" else {"vision_cfg": _SMALL["image"]}
        (folder / _CONFIG).write_text(json.dumps({**self._config, "model_cfg": model}), encoding="utf-8")
        return {**super().pack(folder), "name": ".", "pretrained": False}

    @classmethod
    def unpack(cls, folder: Path, arguments: Mapping[str, Any]) -> Self:
        """The tower of that config, with random weights."""
        return cls(**{**arguments, "name": str(folder)})

    def fingerprint(self) -> str:
        """As every encoder's, architecture included: which activation is used, no weight shows."""
        model = self._config["model_cfg"]
        part = model["vision_cfg" if self._role == "image" else "text_cfg"]
        said = json.dumps([model.get("quick_gelu", False), part.get("act_kwargs"), part.get("pool_type")])
        return digest(super().fingerprint().encode(), said.encode())


class OpenClipImageEncoder(OpenClipTower):
    """The image tower of a model of open_clip, projection included.

    Args:
        name: `ViT-B-32/laion2b_s34b_b79k` names architecture and pretrained weights, `ViT-B-32/FILE` a checkpoint in
            their place; or a folder with `open_clip_config.json` and weights, or `hf-hub:ORGANISATION/NAME`.
        trained_blocks: how many blocks are trained, from the output back; 0 freezes the tower, null trains all of it.
        pretrained: False starts from random weights of the named architecture.
        checkpointing: recompute activations in the backward pass, for less memory.

    Raises:
        UsageError: open_clip has no such architecture, or no weights are named.
        ClosegapError: weights that cannot be had or belong to another model.
    """

    takes = ImageKind
    one_shape = True
    _role = "image"

    def __init__(
        self,
        name: str,
        trained_blocks: NonNegativeInt | None = 0,
        pretrained: bool = True,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self._adopt(name, trained_blocks, pretrained, checkpointing)
        self._preparer = _ImagePreparer(self._config["preprocess_cfg"])

    def forward(self, inputs: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n dim"]:
        """Projected features."""
        return _first(self.tower(inputs))


class OpenClipTextEncoder(OpenClipTower):
    """The text tower of a model of open_clip, projection included.

    Args:
        name: see `OpenClipImageEncoder`, as for the others.
        trained_blocks: see there.
        pretrained: see there.
        checkpointing: see there.

    Raises:
        UsageError: see there.
        ClosegapError: see there.
    """

    takes = TextKind
    _role = "text"

    def __init__(
        self,
        name: str,
        trained_blocks: NonNegativeInt | None = 0,
        pretrained: bool = True,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self._adopt(name, trained_blocks, pretrained, checkpointing)
        with loading(name):
            self._preparer = _TextPreparer(open_clip.get_tokenizer(parsed(name, pretrained)[0]))

    def forward(self, inputs: Int[Tensor, "n tokens"]) -> Float[Tensor, "n dim"]:
        """Projected features."""
        return _first(self.tower.encode_text(inputs, normalize=False))

    def pack(self, folder: Path) -> Mapping[str, Any]:
        """As every tower of open_clip; of a text tower of transformers also its config, and its tokenizer."""
        if "hf_model_name" in self._config["model_cfg"]["text_cfg"]:
            self.tower.text.config.save_pretrained(folder / OF_TEXT)
        if hasattr(self._preparer.tokenizer, "save_pretrained"):
            self._preparer.tokenizer.save_pretrained(folder)
        return super().pack(folder)


def open_clip_towers(name: str) -> tuple[dict[str, Encoder], float | None]:
    """Both towers, frozen, read once, and the model's temperature.

    Args:
        name: see `OpenClipImageEncoder`.
    """
    whole, _ = whole_model(name, True)  # held, so that both towers are parts of it
    towers: dict[str, Encoder] = {"image": OpenClipImageEncoder(name), "text": OpenClipTextEncoder(name)}
    return towers, math.exp(-whole.logit_scale.item())


class _ImagePreparer:
    """Images, decoded in full as upright RGB, to what open_clip's own transform makes of each."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = json.dumps(config, sort_keys=True)
        self._transform = image_transform_v2(PreprocessCfg(**config), is_train=False)

    def __call__(self, items: Sequence[Any]) -> Float[Tensor, "n 3 height width"]:
        return torch.stack([self._one(item) for item in items])

    def _one(self, item: Any) -> Float[Tensor, "3 height width"]:
        with decoded(item) as image:
            found: Tensor = self._transform(image)
        return found

    def __repr__(self) -> str:
        return f"OpenClipImagePreparer({self._config})"


class _TextPreparer:
    """Texts to the tokens of open_clip's own tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        tokenizer(["a"])  # those of transformers keep how the first call pads: threads find it set
        inside = getattr(tokenizer, "tokenizer", None)
        fast = getattr(inside, "backend_tokenizer", None)
        words = fast.to_str() if fast is not None else json.dumps(sorted(getattr(tokenizer, "encoder", ())))
        self._said = f"{type(tokenizer).__name__} {tokenizer.context_length} {digest(words.encode())}"

    def __call__(self, items: Sequence[str]) -> Int[Tensor, "n tokens"]:
        found: Tensor = self.tokenizer(list(items))
        return found

    def __repr__(self) -> str:
        return f"OpenClipTextPreparer({self._said})"


def _without(model: nn.Module, names: Sequence[str]) -> Any:
    """A copy that shares all else."""
    made = copy.copy(model)
    made._modules = {name: part for name, part in model._modules.items() if name not in names}
    made._parameters = {name: part for name, part in model._parameters.items() if name not in names}
    return made


def _blocks(tower: nn.Module) -> dict[str, int]:
    """Parameter name to block; open_clip lists some in another order than it uses them in."""
    depth = numbered_blocks(tower)
    last = max(depth.values())
    for name in depth:
        if "embedding" in name:
            depth[name] = 0
        elif name in _PROJECTIONS:
            depth[name] = last
    return depth


def _first(found: Any) -> Float[Tensor, "n dim"]:
    values: Tensor = found if isinstance(found, Tensor) else found[0]  # beside it are tokens, of CoCa
    return values
