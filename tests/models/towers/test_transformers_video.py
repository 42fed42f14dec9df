"""Video towers of transformers: small ones of random weights, saved as that library does, give its own values."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.kinds.clips import encoded, pictures

from closegap.errors import ClosegapError, UsageError
from closegap.kinds import Clip, FrameChoice
from closegap.models import TransformersVideoEncoder
from closegap.testing import check_encoder

hf: Any = import_module("transformers")
CLIPS = [Clip(encoded(pictures(count, seed=40 * count))) for count in (12, 5, 8)]
_SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
_SEEN = {"image_size": 32, "patch_size": 16, "num_frames": 4}


def videomae() -> tuple[Any, Any]:
    config = hf.VideoMAEConfig(**_SIZES, **_SEEN, tubelet_size=2)
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    return hf.VideoMAEModel(config), hf.VideoMAEImageProcessor(**size)


def vivit() -> tuple[Any, Any]:
    config = hf.VivitConfig(**_SIZES, image_size=32, num_frames=4, tubelet_size=[2, 16, 16])
    size = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
    return hf.VivitModel(config), hf.VivitImageProcessor(**size)


def timesformer() -> tuple[Any, Any]:
    return hf.TimesformerModel(hf.TimesformerConfig(**_SIZES, **_SEEN)), videomae()[1]


def xclip() -> tuple[Any, Any]:
    text = {"vocab_size": 50, **_SIZES, "projection_dim": 12}
    vision = {**_SIZES, **_SEEN, "mit_hidden_size": 12, "mit_intermediate_size": 12, "mit_num_attention_heads": 2}
    config = hf.XCLIPConfig(text_config=text, vision_config=vision, projection_dim=12, prompt_num_attention_heads=2)
    return hf.XCLIPModel(config), videomae()[1]


ARCHITECTURES: list[Callable[[], tuple[Any, Any]]] = [videomae, vivit, timesformer, xclip]


@pytest.fixture(params=ARCHITECTURES)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Any, Any]:
    torch.manual_seed(0)
    model, processor = request.param()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    return tmp_path, model.eval(), processor


@torch.no_grad()
def of_library(model: Any, processor: Any, clip: Clip, own: bool) -> Any:
    """What the library's documentation has a person write, for one clip."""
    values = processor(clip.pictures(FrameChoice(4)), return_tensors="pt")["pixel_values"]
    if isinstance(model, hf.XCLIPModel):
        if own:
            return model.get_video_features(values).pooler_output[0]
        return model.visual_projection(model.vision_model(values[0]).pooler_output).mean(0)
    states = model(values).last_hidden_state[0]
    return states[0] if own and not isinstance(model, hf.VideoMAEModel) else states.mean(0)


@pytest.mark.parametrize("pooling", ["own", "mean"])
def test_features_are_those_of_the_library(saved: tuple[Path, Any, Any], pooling: Any) -> None:
    folder, model, processor = saved
    encoder = TransformersVideoEncoder(str(folder), pooling).eval()
    found = encoder(encoder.preparer()(CLIPS))
    assert encoder.untrained
    for row, clip in zip(found, CLIPS, strict=True):
        torch.testing.assert_close(row, of_library(model, processor, clip, pooling == "own"), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("blocks", [0, 1, None])
def test_they_hold(saved: tuple[Path, Any, Any], blocks: int | None) -> None:
    check_encoder(TransformersVideoEncoder(str(saved[0]), trained_blocks=blocks), CLIPS)
    check_encoder(TransformersVideoEncoder(str(saved[0]), "mean", rate=5.0, trained_blocks=blocks), CLIPS)


def test_what_is_no_tower_is_said(tmp_path: Path) -> None:
    with pytest.raises(ClosegapError, match=r"video encoder '.*': the folder holds none that transformers can load"):
        TransformersVideoEncoder(str(tmp_path))
    model, processor = videomae()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    with pytest.raises(UsageError, match=r"frames: 5 given, .* takes 4; leave it out"):
        TransformersVideoEncoder(str(tmp_path), frames=5)
