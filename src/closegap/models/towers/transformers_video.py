"""Clips through video towers of transformers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from closegap.bounds import Depth, NonNegativeInt, PositiveFloat, Seed
from closegap.errors import UsageError, needs
from closegap.files import digest
from closegap.kinds.clip import Clip
from closegap.kinds.frame_choice import FrameChoice
from closegap.kinds.video import VideoKind
from closegap.models.pretrained import expect_plain_config, from_transformers
from closegap.models.towers.pretrained_tower import PretrainedTower, loaded

with needs("text"):
    from transformers import AutoConfig, AutoModel, XCLIPConfig, XCLIPModel

with needs("image"):
    from transformers import AutoImageProcessor

_UNUSED = ("pooler.", "text_model.", "text_projection.", "prompts_", "logit_scale", "decoder", "mask_token")
_OF_FRAMES = ("num_frames", "frames_per_clip")


class FramesPreparer:
    """Clips to what an image processor of transformers makes of their frames.

    Where a clip ends before there are enough frames, the last is seen again: these towers take a fixed number.

    Args:
        processor: of transformers.
        choice: of the frames.
    """

    def __init__(self, processor: Any, choice: FrameChoice) -> None:
        self._processor, self.choice = processor, choice

    def __call__(self, items: Sequence[Path | str | Clip]) -> Float[Tensor, "n frames 3 height width"]:
        """The batch."""
        return torch.stack([self._one(item) for item in items])

    def _one(self, item: Path | str | Clip) -> Float[Tensor, "frames 3 height width"]:
        shown = VideoKind().parse(item).pictures(self.choice)
        shown += shown[-1:] * (self.choice.frames - len(shown))
        values = self._processor(shown, return_tensors="pt")["pixel_values"]
        found: Tensor = torch.as_tensor(values)
        return found[0] if found.ndim == 5 else found

    def __repr__(self) -> str:
        return f"FramesPreparer({digest(self._processor.to_json_string().encode())}, {self.choice})"


class TransformersVideoEncoder(PretrainedTower):
    """A video tower of transformers with pooling: VideoMAE, ViViT, TimeSformer, X-CLIP, and others.

    Args:
        name: a hub name or a local directory; `package:<package>/<folder>` names one inside an installed package.
        pooling: "own" takes what the tower gives of a whole clip: X-CLIP's embedding of a video, the state of the first
            token of ViViT and TimeSformer; where there is nothing of that kind, and for "mean", the mean over all
            tokens.
        frames: of a clip, as many as the tower was trained with by default; see `FrameChoice`, as for `rate`, `seed`.
        rate: see there.
        seed: see there.
        trained_blocks: how many blocks are trained, from the output back; 0 freezes the tower, null trains all of it.
        pretrained: False starts from random weights of the named architecture.
        checkpointing: recompute activations in the backward pass, for less memory.

    Raises:
        UsageError: no number of frames given of a tower that does not name one, or another than it was built for.
        ClosegapError: no such model, locally or on the hub, weights of another one or pickled, or code of its own.
    """

    takes = VideoKind
    one_shape = True

    def __init__(
        self,
        name: str,
        pooling: Literal["own", "mean"] = "own",
        frames: Depth | None = None,
        rate: PositiveFloat | None = None,
        seed: Seed | None = None,
        trained_blocks: NonNegativeInt | None = 0,
        pretrained: bool = True,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        model, processor = _load(name, pretrained)
        own = named_frames(model.config)
        if frames is None and own is None:
            raise UsageError(f"{name}: names no number of frames; give frames")
        if frames is not None and own is not None and frames != own:
            raise UsageError(f"frames: {frames} given, {name} takes {own}; leave it out")
        self._own = pooling == "own"
        unused = (*_UNUSED, "mit.") if not self._own else _UNUSED
        self._adopt(model, processor, trained_blocks, checkpointing, unused)
        self.dim = int(getattr(model.config, "projection_dim", None) or model.config.hidden_size)
        self._preparer = FramesPreparer(processor, FrameChoice(frames or own or 1, rate, seed))

    def preparer(self) -> Callable[[Sequence[Any]], Float[Tensor, "n frames 3 height width"]]:
        """Decoding of the chosen frames, and what the tower's own processor does."""
        return self._preparer

    def forward(self, inputs: Float[Tensor, "n frames 3 height width"]) -> Float[Tensor, "n dim"]:
        """Pooled features."""
        if isinstance(self.tower, _XClipVideo):
            of_clips: Tensor = self.tower(inputs, self._own)
            return of_clips
        states: Tensor = self.tower(pixel_values=inputs).last_hidden_state
        first = self._own and getattr(getattr(self.tower, "embeddings", None), "cls_token", None) is not None
        return states[:, 0] if first else states.mean(1)

    def fingerprint(self) -> str:
        """As every encoder's, architecture and pooling included."""
        said = f"{type(self.tower).__name__} {getattr(self.tower.config, 'hidden_act', '')} {self._own}"
        return digest(super().fingerprint().encode(), said.encode())


class _XClipVideo(nn.Module):
    """The half of X-CLIP that sees: a tower of frames that look at each other, and a transformer over them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.config = model.config
        self.vision_model, self.visual_projection, self.mit = model.vision_model, model.visual_projection, model.mit

    def gradient_checkpointing_enable(self) -> None:
        """As models of transformers have it."""
        self.vision_model.gradient_checkpointing_enable()
        self.mit.gradient_checkpointing_enable()

    def forward(self, inputs: Float[Tensor, "n frames 3 height width"], own: bool) -> Float[Tensor, "n dim"]:
        """The embedding of each clip, or the mean of its frames' projections."""
        n, frames = inputs.shape[:2]
        of_frames = self.visual_projection(self.vision_model(pixel_values=inputs.flatten(0, 1)).pooler_output)
        of_frames = of_frames.view(n, frames, -1)
        found: Tensor = self.mit(of_frames).pooler_output if own else of_frames.mean(1)
        return found


def named_frames(config: Any) -> int | None:
    """How many frames of a clip a tower was built for; None where its config does not say."""
    inner = getattr(config, "vision_config", config)
    return next((int(found) for name in _OF_FRAMES if (found := getattr(inner, name, None)) is not None), None)


def _load(name: str, pretrained: bool) -> tuple[Any, Any]:
    advice = "give a local directory with config, preprocessor_config, weights"
    with from_transformers("video encoder", name, advice) as (place, options):
        expect_plain_config(place, options)
        processors: Any = AutoImageProcessor
        processor = processors.from_pretrained(place, **options)
        config = AutoConfig.from_pretrained(place, **options)
        models: Any = XCLIPModel if isinstance(config, XCLIPConfig) else AutoModel
        if pretrained:
            model = loaded(models, place, f"video encoder {name!r}", options, _UNUSED, config=config)
        else:
            model = models(config) if models is XCLIPModel else models.from_config(config, trust_remote_code=False)
    return (_XClipVideo(model) if isinstance(config, XCLIPConfig) else model), processor
