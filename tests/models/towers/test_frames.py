"""Image towers over frames of clips: the same whether features are kept by frame, by clip, or not at all."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.kinds.clips import encoded, pictures

from closegap.errors import UsageError
from closegap.infer.features import FeatureCache
from closegap.kinds import FrameChoice, VideoKind
from closegap.models import ConcatEncoder, Encoder, FramesEncoder, SmallImageEncoder, SmallTextEncoder, TimmImageEncoder
from closegap.models.towers.frame_pooling import AttentionPooling, MeanPooling, TransformerPooling
from closegap.testing import check_encoder

CPU = torch.device("cpu")


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    found = []
    for number, count in enumerate((12, 4, 9)):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(encoded(pictures(count, seed=40 * number)))
        found.append(path)
    return found


def small(frozen: bool = True) -> Encoder:
    torch.manual_seed(0)
    return SmallImageEncoder(size=32, widths=(8, 16), grid=2).requires_grad_(not frozen)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "attention", "transformer"])
@pytest.mark.parametrize("rate", [None, 10.0])
def test_they_hold(pooling: Any, frozen: bool, rate: float | None, clips: list[Path]) -> None:
    check_encoder(FramesEncoder(small(frozen), 6, rate, pooling=pooling, width=8, heads=2), clips)


def test_towers_of_libraries_hold(clips: list[Path]) -> None:
    check_encoder(FramesEncoder(TimmImageEncoder("test_vit", "random", trained_blocks=0, size=48), 4, seed=1), clips)
    check_encoder(FramesEncoder(TimmImageEncoder("test_vit", "random", trained_blocks=1, size=48), 2), clips)
    check_encoder(FramesEncoder(ConcatEncoder([small(), small()]), 2), clips)


def test_the_mean_is_that_of_the_image_towers_features(clips: list[Path]) -> None:
    tower = small().eval()
    for rate in (None, 10.0):
        encoder = FramesEncoder(tower, 5, rate).eval()
        found = encoder(encoder.preparer()(clips))
        for row, clip in zip(found, clips, strict=True):
            shown = VideoKind().parse(clip).pictures(FrameChoice(5, rate))
            expected = torch.stack([tower(tower.preparer()([picture]))[0] for picture in shown]).mean(0)
            torch.testing.assert_close(row, expected)


def test_poolings_ignore_padding() -> None:
    torch.manual_seed(0)
    frames, there = torch.randn(2, 5, 6), torch.tensor([[True] * 5, [True, True, False, False, False]])
    other = torch.where(there[..., None], frames, 99.0)
    for pooling in (MeanPooling(6), AttentionPooling(6, 4), TransformerPooling(6, 4, 1, 2, 0.0, 5)):
        found = pooling.eval()(frames, there)
        torch.testing.assert_close(pooling(other, there), found)
        torch.testing.assert_close(pooling(frames[1:, :2], there[1:, :2])[0], found[1])
    attention = AttentionPooling(6, 4)
    scores = torch.stack([attention.score(frame)[0] for frame in frames[0]]).softmax(0)
    torch.testing.assert_close(attention(frames, there)[0], sum(w * f for w, f in zip(scores, frames[0], strict=True)))


class Counting(Encoder):
    """An image tower that notes how many frames it was given."""

    takes = SmallImageEncoder.takes

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.seen = small(), 0
        self.dim = self.inner.dim

    def preparer(self) -> Any:
        return self.inner.preparer()

    def forward(self, inputs: Any) -> Any:
        self.seen += len(inputs)
        return self.inner(inputs)


def test_frames_are_kept_and_serve_other_choices(clips: list[Path], tmp_path: Path) -> None:
    cache, tower = FeatureCache(tmp_path / "cache", half=False), Counting()
    plain = FramesEncoder(tower, 4).eval()
    expected = plain(plain.preparer()(clips))
    tower.seen = 0
    torch.testing.assert_close(cache.features(plain, clips, CPU), expected)
    first = tower.seen
    assert first == 12
    torch.testing.assert_close(cache.features(plain, clips, CPU), expected)
    assert tower.seen == first
    # Of 12 frames the middles of 12 parts hold those of 4 parts, and the clip of 4 frames has no others.
    cache.features(FramesEncoder(tower, 12), clips, CPU)
    assert tower.seen - first == (12 - 4) + 0 + (9 - 4)
    before = tower.seen
    attention = FramesEncoder(tower, 12, pooling="attention", width=8)
    kept = cache.activations(attention, clips, CPU)
    assert tower.seen == before
    torch.testing.assert_close(attention.resume(kept([0, 1, 2])), attention(attention.preparer()(clips)))


def test_a_clip_that_cannot_be_read_is_refused_alone(clips: list[Path], tmp_path: Path) -> None:
    clips[1].write_bytes(b"none")
    refused: dict[int, str] = {}
    found = FeatureCache(tmp_path / "cache").features(FramesEncoder(small(), 4), clips, CPU, refused=refused)
    assert (len(found), list(refused)) == (2, [1])
    assert "can be read" in refused[1]


def test_what_is_no_image_tower_is_said() -> None:
    with pytest.raises(UsageError, match="takes TextKind, expected a tower of images"):
        FramesEncoder(SmallTextEncoder(dim=8))
    with pytest.raises(UsageError, match="expected a multiple of its 3 heads"):
        FramesEncoder(small(), pooling="transformer", width=8, heads=3)
