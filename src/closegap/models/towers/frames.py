"""Clips through any image tower."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from closegap.batch import Activations, each_tensor
from closegap.bounds import Depth, PositiveFloat, Seed, ShareBelowOne, Width
from closegap.errors import UsageError
from closegap.files import digest
from closegap.kinds.clip import Clip, Frame, pictures
from closegap.kinds.frame_choice import FrameChoice
from closegap.kinds.image import ImageKind
from closegap.kinds.video import VideoKind
from closegap.models.base import Encoder
from closegap.models.fingerprint import tower_fingerprint
from closegap.models.towers.frame_pooling import AttentionPooling, FramePooling, MeanPooling, TransformerPooling
from closegap.models.towers.inside import packed_inside, unpacked_inside


@dataclass(frozen=True)
class ClipPreparer:
    """Clips to what a preparer of images makes of their frames, padded to the clip of most, and how many each has."""

    choice: FrameChoice
    preparer: Callable[[Sequence[Any]], Any]

    def __call__(self, items: Sequence[Path | str | Clip]) -> tuple[Any, Int[Tensor, "n"]]:
        """The batch."""
        found = [VideoKind().parse(item).pictures(self.choice) for item in items]
        lengths = [len(of_one) for of_one in found]
        prepared = self.preparer([picture for of_one in found for picture in of_one])
        padded = each_tensor(prepared, lambda rows: pad_sequence(list(torch.split(rows, lengths)), batch_first=True))
        return padded, torch.tensor(lengths)


@dataclass(frozen=True)
class FramePreparer:
    """Frames of clips to what a preparer of images makes of them; those of one clip are decoded together."""

    preparer: Callable[[Sequence[Any]], Any]

    def __call__(self, items: Sequence[Frame]) -> Any:
        """The batch."""
        return self.preparer(pictures(items))


class FramesEncoder(Encoder):
    """Any image tower over frames of a clip, and what sums them up.

    Of a frozen image tower each frame's features are kept: they serve whichever frames are chosen together, and
    whatever sums them up.

    Args:
        encoder: of images.
        frames: how many are looked at; see `FrameChoice`, as for `rate` and `seed`.
        rate: see there.
        seed: see there.
        pooling: "mean" of the frames' features; "attention", a mean whose weights are learned; "transformer", the mean
            state of a small one over the frames in their order.
        width: of what weighs frames, or of the transformer's states, which are then the features.
        layers: of the transformer.
        heads: of its attention.
        dropout: share of its units dropped in training.

    Raises:
        UsageError: a tower of something else, or one that has to be fitted; a width that the heads do not divide.
    """

    takes = VideoKind

    def __init__(
        self,
        encoder: Encoder,
        frames: Depth = 8,
        rate: PositiveFloat | None = None,
        seed: Seed | None = None,
        pooling: Literal["mean", "attention", "transformer"] = "mean",
        width: Width = 128,
        layers: Depth = 1,
        heads: Width = 4,
        dropout: ShareBelowOne = 0.1,
    ) -> None:
        super().__init__()
        if not issubclass(encoder.takes, ImageKind) or encoder.fitted:
            raise UsageError(
                f"FramesEncoder.encoder: takes {encoder.takes.__name__}{', fitted' if encoder.fitted else ''}, "
                "expected a tower of images that need not be fitted"
            )
        if pooling == "transformer" and width % heads:
            raise UsageError(f"FramesEncoder.width: {width} given, expected a multiple of its {heads} heads")
        self.encoder, self.choice = encoder, FrameChoice(frames, rate, seed)
        made: dict[str, Callable[[], FramePooling]] = {
            "mean": lambda: MeanPooling(encoder.dim),
            "attention": lambda: AttentionPooling(encoder.dim, width),
            "transformer": lambda: TransformerPooling(encoder.dim, width, layers, heads, dropout, frames),
        }
        self.pooling = made[pooling]()
        named = {"pooling": pooling, "width": width, "layers": layers, "heads": heads, "dropout": dropout}
        self._beside: dict[str, Any] = {"frames": frames, "rate": rate, "seed": seed, **named}
        self.dim = self.pooling.dim

    def preparer(self) -> ClipPreparer:
        """Decoding of the chosen frames, and what the image tower's preparer makes of them."""
        return ClipPreparer(self.choice, self.encoder.preparer())

    def forward(self, inputs: tuple[Any, Int[Tensor, "n"]]) -> Float[Tensor, "n dim"]:
        """Features of clips."""
        return self.resume(_of_frames(self.encoder, inputs))

    @property
    def prefix(self) -> nn.Module | None:
        """The image tower, where it is frozen and what sums up its features is not."""
        return _Prefix(self.encoder) if self.encoder.untrained and not self.untrained else None

    def resume(self, activations: Activations) -> Float[Tensor, "n dim"]:
        """Features of clips from those of their frames."""
        frames, lengths = activations.values, activations.lengths
        assert lengths is not None
        there = torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]
        features: Tensor = self.pooling(frames, there)
        return features

    @property
    def part_encoder(self) -> Encoder | None:
        """The image tower, where it is frozen."""
        return _FrameEncoder(self.encoder) if self.encoder.untrained else None

    def parts(self, item: Any) -> Sequence[Frame]:
        """The chosen frames."""
        clip: Clip = VideoKind().parse(item)
        return clip.frames(self.choice)

    def pack(self, folder: Path) -> Mapping[str, Any]:
        """What the image tower packs, and the arguments beside it."""
        return {"encoder": packed_inside(self.encoder, folder), **self._beside}

    @classmethod
    def unpack(cls, folder: Path, arguments: Mapping[str, Any]) -> Self:
        """The tower that `pack` described; closegap's own alone are imported."""
        return cls(**{**arguments, "encoder": unpacked_inside(arguments["encoder"], folder, "encoder")})


class _FrameEncoder(Encoder):
    """An image tower that takes frames of clips."""

    takes = ImageKind

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder, self.dim = encoder, encoder.dim

    def preparer(self) -> FramePreparer:
        return FramePreparer(self.encoder.preparer())

    def forward(self, inputs: Any) -> Float[Tensor, "n dim"]:
        features: Tensor = self.encoder(inputs)
        return features

    def fingerprint(self) -> str:
        return digest(tower_fingerprint(self.encoder).encode(), b"frames")


class _Prefix(nn.Module):
    """An image tower over the frames of clips."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, inputs: tuple[Any, Int[Tensor, "n"]]) -> Activations:
        return _of_frames(self.encoder, inputs)


def _of_frames(encoder: Encoder, inputs: tuple[Any, Int[Tensor, "n"]]) -> Activations:
    """Features of the frames that are there, each clip's together."""
    padded, lengths = inputs
    counts = lengths.tolist()
    rows = each_tensor(padded, lambda tensor: torch.cat([one[:n] for one, n in zip(tensor, counts, strict=True)]))
    return Activations(pad_sequence(list(torch.split(encoder(rows), counts)), batch_first=True), lengths)
