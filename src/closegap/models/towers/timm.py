"""Images through any timm model."""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from closegap.batch import Activations
from closegap.bounds import NonNegativeInt, Side
from closegap.errors import ClosegapError, UsageError, needs
from closegap.files import digest
from closegap.kinds.image import ImageKind
from closegap.models.base import Encoder
from closegap.models.towers.cut import Cut, bypassed, can_be_cut
from closegap.models.towers.freezing import train_last_blocks
from closegap.models.towers.image_preparer import ImagePreparer
from closegap.models.weights import load_state, locate, read_state

with needs("image"):
    import timm
    from timm.data.config import resolve_data_config
    from timm.models import get_arch_pretrained_cfgs, group_parameters


class TimmImageEncoder(Encoder):
    """A timm tower without its classifier.

    Args:
        name: a timm model name, with tag if several pretrained weights exist.
        weights: "hub" for timm's pretrained weights, "random", or a local checkpoint; `package:<package>/<file>` names
            a file inside an installed package.
        trained_blocks: how many blocks are trained, from the output back; 0 freezes the tower, null trains all of it.
        size: side of the input in pixels; the model's own by default.
        checkpointing: recompute activations in the backward pass, for less memory.

    Raises:
        UsageError: timm has no model, or no tag of the model, of that name.
        ClosegapError: weights that cannot be had or belong to another model.
    """

    takes = ImageKind
    one_shape = True
    tower: Any
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        weights: str = "hub",
        trained_blocks: NonNegativeInt | None = 0,
        size: Side | None = None,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        _expect_known(name)
        self.name = name
        self.tower = _tower(name, weights, size)
        self.dim = int(self.tower.num_features)
        data = resolve_data_config(model=self.tower)  # type: ignore[no-untyped-call]
        self.size = size or int(data["input_size"][-1])
        self.register_buffer("mean", torch.tensor(data["mean"]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(data["std"]).view(1, 3, 1, 1))
        if checkpointing:
            self.tower.set_grad_checkpointing()
        depth = group_parameters(self.tower, self.tower.group_matcher(coarse=True), reverse=True)
        train_last_blocks(self.tower, depth, trained_blocks)
        self._cut_allowed = True
        if self.prefix is not None:
            random = torch.Generator().manual_seed(0)
            images = torch.randint(0, 256, (2, 3, self.size, self.size), dtype=torch.uint8, generator=random)
            self._cut_allowed = can_be_cut(self, images)

    def preparer(self) -> ImagePreparer:
        """Decoding, padding, resizing."""
        return ImagePreparer(self.size)

    def pack(self, folder: Path) -> Mapping[str, Any]:
        """The architecture, without a place to get weights from."""
        return {**super().pack(folder), "weights": "random"}

    def forward(self, inputs: UInt8[Tensor, "n 3 size size"]) -> Float[Tensor, "n dim"]:
        """Pooled features."""
        features: Tensor = self.tower(_normalised(inputs, self.mean, self.std))
        return features

    @property
    def prefix(self) -> nn.Module | None:
        """Normalisation and the frozen blocks, up to the input of the first trained one."""
        cut = Cut.of(self.tower)
        if not (self._cut_allowed and cut.front):
            return None
        return _Prefix(bypassed(self.tower, cut.rear), self.mean, self.std)

    def resume(self, activations: Activations) -> Float[Tensor, "n dim"]:
        """Pooled features."""
        values = activations.values
        if values.ndim == 4:
            values = values.contiguous(memory_format=torch.channels_last)
        features: Tensor = bypassed(self.tower, Cut.of(self.tower).front)(values)
        return features

    def grid(self, inputs: UInt8[Tensor, "n 3 size size"]) -> Float[Tensor, "n features height width"]:
        """The last block's output by place; class and register tokens of a transformer have none.

        Raises:
            UsageError: a tower whose tokens form no square.
        """
        states: Tensor = self.tower.forward_features(_normalised(inputs, self.mean, self.std))
        if states.ndim == 4:
            channels_first = states.shape[1] == self.tower.num_features  # Swin and its like put channels last
            return states if channels_first else states.permute(0, 3, 1, 2)
        patches = states[:, getattr(self.tower, "num_prefix_tokens", 0) :]
        side = math.isqrt(patches.shape[1])
        if side * side != patches.shape[1]:
            raise UsageError(f"{self.name}: {patches.shape[1]} tokens form no square; use another image tower")
        return patches.transpose(1, 2).reshape(len(patches), -1, side, side)

    def fingerprint(self) -> str:
        """As every encoder's, architecture included: some differ in what no weight shows, such as their activation."""
        return digest(super().fingerprint().encode(), self.name.partition(".")[0].encode())


class _Prefix(nn.Module):
    """The first blocks of a tower, from bytes on."""

    mean: Tensor
    std: Tensor

    def __init__(self, tower: Any, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.tower = tower
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, inputs: UInt8[Tensor, "n 3 size size"]) -> Float[Tensor, "n ..."]:
        activations: Tensor = self.tower.forward_features(_normalised(inputs, self.mean, self.std))
        return activations


def _normalised(
    inputs: UInt8[Tensor, "n 3 size size"], mean: Float[Tensor, "1 3 1 1"], std: Float[Tensor, "1 3 1 1"]
) -> Float[Tensor, "n 3 size size"]:
    return ((inputs.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def _expect_known(name: str) -> None:
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        close = get_close_matches(architecture, timm.list_models(), 3)
        advice = f"; did you mean {', '.join(close)}?" if close else "; timm.list_models() lists them"
        raise UsageError(f"timm has no model {architecture!r}{advice}")
    known = get_arch_pretrained_cfgs(architecture)
    if tag and name not in known:
        raise UsageError(f"timm has no weights {tag!r} of {architecture}; it has {', '.join(known) or 'none'}")


def _tower(name: str, weights: str, size: int | None) -> Any:
    """The timm model without classifier, weights loaded. Only transformers need to be told another input size."""
    sized: dict[str, Any] = {} if size is None or not _takes_size(name) else {"img_size": size}
    if weights == "hub":
        try:
            return timm.create_model(name, pretrained=True, num_classes=0, **sized)
        except (OSError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ClosegapError(
                f"pretrained weights of {name} could not be had from the hub ({reason}); give a local checkpoint"
            ) from error
    tower: Any = timm.create_model(name, pretrained=False, **sized)
    if weights != "random":
        path = Path(locate(weights))
        state = read_state(path)
        tower.reset_classifier(_classes(tower, state))
        load_state(tower, state, path)
    tower.reset_classifier(0)
    return tower


def _classes(tower: Any, state: Mapping[str, Tensor]) -> int:
    """How many classes a checkpoint's classifier has: it is dropped after loading, so any number fits."""
    weight = f"{tower.default_cfg['classifier']}.weight"
    if weight in state:
        return len(state[weight])
    return 0 if state.keys() < tower.state_dict().keys() else int(tower.num_classes)


def _takes_size(name: str) -> bool:
    config = timm.get_pretrained_cfg(name)
    return bool(config is not None and config.fixed_input_size)
