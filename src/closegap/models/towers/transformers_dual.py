"""Both towers of CLIP-like models of transformers: CLIP, SigLIP, SigLIP 2, ALIGN, CLAP, BLIP-2, and others."""

import copy
import math
import re
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, Literal, TypeAlias

from jaxtyping import Float
from torch import Tensor

from closegap.bounds import NonNegativeInt, PositiveInt
from closegap.errors import UsageError, needs
from closegap.files import digest
from closegap.kinds.image import ImageKind
from closegap.kinds.text import TextKind
from closegap.models.base import Encoder
from closegap.models.pretrained import expect_plain_config, from_transformers
from closegap.models.towers.held import held
from closegap.models.towers.pixels import PixelPreparer, named_pixels
from closegap.models.towers.pretrained_tower import PretrainedTower, loaded
from closegap.models.towers.tokens import WholeTokenPreparer

with needs("text"):
    from transformers import (
        AlignConfig,
        AutoConfig,
        AutoModel,
        AutoTokenizer,
        Blip2Config,
        Blip2TextModelWithProjection,
        Blip2VisionModelWithProjection,
        ClapConfig,
        Siglip2Config,
        SiglipConfig,
    )

with needs("image"):
    from transformers import AutoImageProcessor

Role: TypeAlias = Literal["image", "text"]

_PARTS = {"image": ("vision_", "visual_"), "text": ("text_",)}  # beginnings of names of a whole model's parts
_BLIP2 = {"image": Blip2VisionModelWithProjection, "text": Blip2TextModelWithProjection}
_ADVICE = "give a local directory with config, weights, and preprocessor_config or tokenizer"
_FULL = (SiglipConfig, Siglip2Config)  # trained on texts that are always padded to the same length
_ROBERTA_OFFSET = 2  # CLAP's places of tokens start there


class DualTower(PretrainedTower):
    """What both towers of a CLIP-like model have in common: half of the model, what prepares for it, their space."""

    def _adopt_half(
        self, name: str, role: Role, pretrained: bool, trained_blocks: int | None, checkpointing: bool, lora: int | None
    ) -> None:
        half = _half(name, pretrained, role)
        self._adopt(half, _preparing(name, role), trained_blocks, checkpointing, lora=lora)
        self.dim = _width(half.config, role)

    def fingerprint(self) -> str:
        """As every encoder's, architecture included."""
        return digest(super().fingerprint().encode(), _architecture(self.tower).encode())


class DualImageEncoder(DualTower):
    """The image tower of a CLIP-like model of transformers, projection included.

    Of BLIP-2, which sees an image as 32 unit vectors, it gives their mean.

    Args:
        name: a hub name or a local directory; `package:<package>/<folder>` names one inside an installed package.
        trained_blocks: how many blocks are trained, from the output back; 0 freezes the tower, null trains all of it.
        pretrained: False starts from random weights of the named architecture.
        checkpointing: recompute activations in the backward pass, for less memory.
        lora: rank of the updates that are trained in place of these blocks' own weights; null trains the weights.

    Raises:
        UsageError: a model without a tower of images.
        ClosegapError: no such model, locally or on the hub, weights of another one or pickled, or code of its own.
    """

    takes = ImageKind

    def __init__(
        self,
        name: str,
        trained_blocks: NonNegativeInt | None = 0,
        pretrained: bool = True,
        checkpointing: bool = False,
        lora: PositiveInt | None = None,
    ) -> None:
        super().__init__()
        self._adopt_half(name, "image", pretrained, trained_blocks, checkpointing, lora)
        self._preparer = PixelPreparer(self._preparing)

    def preparer(self) -> Callable[[Sequence[Any]], Tensor | dict[str, Tensor]]:
        """Decoding, and what the model's own image processor does."""
        return self._preparer

    def forward(self, inputs: Tensor | dict[str, Tensor]) -> Float[Tensor, "n dim"]:
        """Projected features."""
        given = named_pixels(inputs)
        if isinstance(self.tower, Blip2VisionModelWithProjection):
            of_queries: Tensor = self.tower(**given).image_embeds
            return of_queries.mean(1)
        return _pooled(self.tower.get_image_features(**given))


class DualTextEncoder(DualTower):
    """The text tower of a CLIP-like model of transformers, projection included.

    Args:
        name: a hub name or a local directory; `package:<package>/<folder>` names one inside an installed package.
        trained_blocks: how many blocks are trained, from the output back; 0 freezes the tower, null trains all of it.
        pretrained: False starts from random weights of the named architecture.
        checkpointing: recompute activations in the backward pass, for less memory.
        lora: rank of the updates that are trained in place of these blocks' own weights; null trains the weights.

    Raises:
        UsageError: a model without a tower of texts.
        ClosegapError: no such model, locally or on the hub, weights of another one or pickled, or code of its own.
    """

    takes = TextKind

    def __init__(
        self,
        name: str,
        trained_blocks: NonNegativeInt | None = 0,
        pretrained: bool = True,
        checkpointing: bool = False,
        lora: PositiveInt | None = None,
    ) -> None:
        super().__init__()
        self._adopt_half(name, "text", pretrained, trained_blocks, checkpointing, lora)
        half = self.tower
        call = half.forward if isinstance(half, Blip2TextModelWithProjection) else half.get_text_features
        padding: Literal["longest", "max_length"] = "max_length" if isinstance(half.config, _FULL) else "longest"
        longest = _longest(half.config, self._preparing)
        self._preparer = WholeTokenPreparer(self._preparing, longest, padding, signature(call).parameters)

    def preparer(self) -> Callable[[Sequence[str]], dict[str, Tensor]]:
        """Tokenisation."""
        return self._preparer

    def forward(self, inputs: dict[str, Tensor]) -> Float[Tensor, "n dim"]:
        """Projected features."""
        if isinstance(self.tower, Blip2TextModelWithProjection):
            of_tokens: Tensor = self.tower(**inputs).text_embeds
            return of_tokens[:, 0]
        return _pooled(self.tower.get_text_features(**inputs))

    def lengths(self, items: Sequence[str]) -> Sequence[int]:
        """Tokens of each text."""
        return self._preparer.lengths(items) if items else []


def dual_towers(name: str) -> tuple[dict[str, Encoder], float | None]:
    """The towers of a CLIP-like model, frozen, read once, and its temperature; None where it has none.

    Args:
        name: see `DualImageEncoder`.
    """
    config = _config(name)
    if isinstance(config, Blip2Config):
        return {"image": DualImageEncoder(name), "text": DualTextEncoder(name)}, None
    whole = _whole(name)  # held, so that both towers are parts of it
    if isinstance(config, ClapConfig):
        from closegap.models.towers.transformers_audio import TransformersAudioEncoder

        return {"audio": TransformersAudioEncoder(name), "text": DualTextEncoder(name)}, temperature(whole)
    return {"image": DualImageEncoder(name), "text": DualTextEncoder(name)}, temperature(whole)


def _config(name: str) -> Any:
    with from_transformers("dual encoder", name, _ADVICE) as (place, options):
        expect_plain_config(place, options)
        return AutoConfig.from_pretrained(place, **options)


def _preparing(name: str, role: Role) -> Any:
    preparing: Any = AutoImageProcessor if role == "image" else AutoTokenizer
    with from_transformers("dual encoder", name, _ADVICE) as (place, options):
        return preparing.from_pretrained(place, **options)


def _whole(name: str) -> Any:
    """The model with both towers."""

    def load() -> Any:
        with from_transformers("dual encoder", name, _ADVICE) as (place, options):
            return loaded(AutoModel, place, f"dual encoder {name!r}", options)

    return held("transformers", name, load)


def _half(name: str, pretrained: bool, role: Role) -> Any:
    """A model of which only one tower is left."""
    config = _config(name)
    if isinstance(config, Blip2Config):
        models: Any = _BLIP2[role]
        with from_transformers("dual encoder", name, _ADVICE) as (place, options):
            half = loaded(models, place, f"dual encoder {name!r}", options) if pretrained else models(config)
    else:
        made: Any = AutoModel
        whole = _whole(name) if pretrained else made.from_config(config, trust_remote_code=False)
        if not hasattr(whole, f"get_{role}_features"):
            raise UsageError(
                f"{name}: a {type(whole).__name__} has no tower of {role}s beside another; expected a CLIP-like one"
            )
        half = one_half(whole, role)
    for key, parameter in half.named_parameters():
        if _beside(type(half.config), role).search(key):
            parameter.requires_grad_(False)
    return half


def one_half(whole: Any, role: Role) -> Any:
    """A copy of a CLIP-like model that shares one tower with it, and has nothing else."""
    half = copy.copy(whole)
    half._modules = {key: part for key, part in whole._modules.items() if key.startswith(_PARTS[role])}
    half._parameters = {}  # what is beside the towers scales cosines
    return half


def temperature(whole: Any) -> float | None:
    """What a CLIP-like model divides cosines by; None where it does not say."""
    for scale in ("logit_scale", "logit_scale_a"):
        if (found := getattr(whole, scale, None)) is not None:
            return math.exp(-found.item())
    found = getattr(whole, "temperature", None)
    return None if found is None else float(found.item())


def _beside(config: type, role: Role) -> re.Pattern[str]:
    """Parameters of a tower that its features do not depend on: distributed training would wait for their gradients."""
    if issubclass(config, Blip2Config):
        return re.compile(r"layer\.\d+\.(intermediate|output)\." if role == "image" else "crossattention|query")
    return re.compile(r"text_model\.pooler\." if issubclass(config, AlignConfig) else "(?!)")


def _pooled(found: Any) -> Float[Tensor, "n dim"]:
    values: Tensor = found if isinstance(found, Tensor) else found.pooler_output  # a tensor before transformers 5
    return values


def _width(config: Any, role: Role) -> int:
    """How wide the space of both towers is."""
    if isinstance(config, Blip2Config):
        return int(config.image_text_hidden_size)
    if (shared := getattr(config, "projection_dim", None)) is not None:
        return int(shared)
    return int(config.vision_config.hidden_size if role == "image" else config.text_config.projection_size)


def _longest(config: Any, tokenizer: Any) -> int:
    """How many tokens a text may have."""
    text: Any = config.qformer_config if isinstance(config, Blip2Config) else config.text_config
    places = int(text.max_position_embeddings) - (_ROBERTA_OFFSET if isinstance(config, ClapConfig) else 0)
    return min(places, int(tokenizer.model_max_length))


def _architecture(tower: Any) -> str:
    """What no weight shows."""
    inner = [getattr(tower.config, f"{part}_config", None) for part in ("vision", "text", "qformer")]
    return " ".join([type(tower).__name__, *(str(getattr(part, "hidden_act", "")) for part in inner)])
