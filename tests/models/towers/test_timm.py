from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.data.config import resolve_data_config
from torch import Tensor

from closegap.errors import ClosegapError, UsageError
from closegap.models import TimmImageEncoder
from closegap.models.towers.timm import _normalised
from closegap.models.towers.token_grid import TokenGrid

CNN, VIT = "test_efficientnet", "test_vit"


def _images(n: int = 2, size: int = 64) -> Tensor:
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(7)
    save_file(timm.create_model(CNN).state_dict(), tmp_path / "cnn.safetensors")
    return tmp_path / "cnn.safetensors"


def test_features_are_timms_own(checkpoint: Path) -> None:
    encoder = TimmImageEncoder(CNN, str(checkpoint), size=64).eval()
    torch.manual_seed(7)
    tower: Any = timm.create_model(CNN).eval()
    images = _images()
    data = resolve_data_config(model=tower)  # type: ignore[no-untyped-call]
    mean, std = (torch.tensor(data[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    expected = tower.forward_head(tower.forward_features((images / 255 - mean) / std), pre_logits=True)
    with torch.no_grad():
        torch.testing.assert_close(encoder(images), expected, atol=1e-4, rtol=1e-4)
    assert encoder.dim == expected.shape[1]
    assert encoder.frozen


def test_images_are_padded_and_sized(pictures: list[Path]) -> None:
    encoder = TimmImageEncoder(CNN, "random", size=48)
    inputs = encoder.preparer()(pictures)
    assert (inputs.dtype, inputs.shape) == (torch.uint8, (3, 3, 48, 48))
    assert inputs[0, :, :8].max() == 0  # 90 x 60: bands above and below
    assert inputs[1, :, :, :12].max() == 0  # 40 x 80: bands left and right
    assert inputs[2].max() == 0
    assert encoder.eval()(inputs).shape == (3, encoder.dim)
    assert TimmImageEncoder(CNN, "random").size == 160  # the model's own


@pytest.mark.parametrize("name", [CNN, VIT])
@pytest.mark.parametrize("blocks", [None, 0, 1, 2])
def test_the_last_blocks_are_trained(name: str, blocks: int | None) -> None:
    encoder = TimmImageEncoder(name, "random", trained_blocks=blocks, size=32)
    trained = {n.removeprefix("tower."): p.requires_grad for n, p in encoder.named_parameters()}
    assert encoder.frozen == (blocks == 0)
    if blocks is None:
        assert all(trained.values())
        return
    order = list(trained.values())
    if name == VIT:  # named from input to output
        assert order == sorted(order)
    first_part = next(iter(trained))
    assert not trained[first_part]
    assert any(order) == (blocks > 0)
    last = [value for key, value in trained.items() if key.startswith("conv_head" if name == CNN else "norm.")]
    assert last
    assert all(value == (blocks > 0) for value in last)


def test_more_blocks_train_more() -> None:
    counts = []
    for blocks in (0, 1, 2, 6, None):
        encoder = TimmImageEncoder(CNN, "random", trained_blocks=blocks, size=32)
        counts.append(sum(p.numel() for p in encoder.parameters() if p.requires_grad))
    assert counts[0] == 0
    assert counts[0] < counts[1] < counts[2] < counts[3] == counts[4]
    for blocks, expected in ((7, "the tower has 6; null trains all"), (-1, "expected a whole number from 0")):
        with pytest.raises(UsageError, match=f"trained_blocks: {blocks} given, {expected}"):
            TimmImageEncoder(CNN, "random", trained_blocks=blocks)


def test_statistics_of_frozen_blocks_stay() -> None:
    encoder = TimmImageEncoder(CNN, "random", trained_blocks=1, size=32).train()
    before = {name: buffer.clone() for name, buffer in encoder.named_buffers()}
    encoder(_images(4, 32))
    moved = {name for name, buffer in encoder.named_buffers() if not torch.equal(buffer, before[name])}
    trained = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert moved
    assert {name.rpartition(".")[0] for name in moved} <= {name.rpartition(".")[0] for name in trained}


@pytest.mark.parametrize("name", [CNN, VIT])
def test_recomputing_activations_changes_no_gradient(name: str) -> None:
    encoders = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        encoder = TimmImageEncoder(name, "random", trained_blocks=2, size=32, checkpointing=checkpointing).train()
        encoder(_images(4, 32)).square().sum().backward()
        encoders.append(encoder)
    for plain, again in zip(*(encoder.parameters() for encoder in encoders), strict=True):
        assert (plain.grad is None) == (again.grad is None) == (not plain.requires_grad)
        if plain.grad is not None and again.grad is not None:
            torch.testing.assert_close(again.grad, plain.grad)


def test_fingerprints_tell_weights_size_and_architecture_apart(checkpoint: Path) -> None:
    def fingerprint(name: str = CNN, **options: Any) -> str:
        given: dict[str, Any] = {"weights": str(checkpoint), "size": 64} | options
        return TimmImageEncoder(name, **given).fingerprint()

    assert fingerprint() == fingerprint() == fingerprint(trained_blocks=2) == fingerprint(checkpointing=True)
    torch.manual_seed(1)
    others = {fingerprint(), fingerprint(size=96), fingerprint(weights="random")}
    assert len(others) == 3


def test_architectures_that_take_the_same_weights_have_other_fingerprints(tmp_path: Path) -> None:
    path = tmp_path / "lite.safetensors"
    save_file(timm.create_model("efficientnet_lite0").state_dict(), path)
    # The second pads as TensorFlow does; no weight shows it.
    one, other = (
        TimmImageEncoder(name, str(path), size=65) for name in ("efficientnet_lite0", "tf_efficientnet_lite0")
    )
    images = _images(2, 65)
    assert not torch.allclose(one.eval()(images), other.eval()(images))
    other.mean, other.std = one.mean, one.std
    assert one.fingerprint() != other.fingerprint()


@pytest.mark.parametrize("classes", [0, 3])
def test_a_checkpoint_may_have_any_number_of_classes(tmp_path: Path, checkpoint: Path, classes: int) -> None:
    tower: Any = timm.create_model(CNN, num_classes=1000)
    tower.load_state_dict(load_file(checkpoint))
    tower.reset_classifier(classes)
    save_file(tower.state_dict(), tmp_path / "other.safetensors")
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    encoders = (
        TimmImageEncoder(CNN, str(path), size=64).eval() for path in (checkpoint, tmp_path / "other.safetensors")
    )
    one, other = (encoder(images) for encoder in encoders)
    assert torch.equal(one, other)


def test_weights_of_another_model_are_refused(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(ClosegapError, match=r"cnn\.safetensors: weights of another architecture"):
        TimmImageEncoder(VIT, str(checkpoint))
    with pytest.raises(ClosegapError, match="no such weights file"):
        TimmImageEncoder(CNN, str(tmp_path / "nothing.pth"))


def test_names_that_timm_lacks_are_refused() -> None:
    with pytest.raises(UsageError, match=r"timm has no model 'efficientnet_b00'; did you mean .*efficientnet_b0"):
        TimmImageEncoder("efficientnet_b00", "random")
    with pytest.raises(UsageError, match=r"timm has no model '####'; timm\.list_models\(\) lists them"):
        TimmImageEncoder("####", "random")
    with pytest.raises(UsageError, match=r"timm has no weights 'imagenet9' of test_vit; it has test_vit\.r160_in1k"):
        TimmImageEncoder("test_vit.imagenet9", "random")
    assert TimmImageEncoder("test_vit.r160_in1k", "random").dim == TimmImageEncoder("test_vit", "random").dim


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    message = r"pretrained weights of test_vit could not be had from the hub .*; give a local checkpoint"
    with pytest.raises(ClosegapError, match=message) as caught:
        TimmImageEncoder(VIT)
    assert "\n" not in str(caught.value)


def test_another_size_is_had_where_the_model_has_a_fixed_one() -> None:
    encoder = TimmImageEncoder(VIT, "random", size=48).eval()
    assert encoder(_images(2, 48)).shape == (2, encoder.dim)


def test_a_picture_of_any_kind_is_taken(tmp_path: Path) -> None:
    Image.linear_gradient("L").convert("I;16").save(tmp_path / "deep.png")
    inputs = TimmImageEncoder(CNN, "random", size=32).preparer()([tmp_path / "deep.png"])
    assert inputs.float().std() > 30


@pytest.mark.parametrize("name", [CNN, VIT, "test_convnext"])
def test_the_grid_is_what_pooling_is_over(name: str) -> None:
    encoder = TimmImageEncoder(name, "random", size=96 if name == CNN else None).eval()
    images = _images(size=encoder.size)
    with torch.no_grad():
        grid = encoder.grid(images)
        states = encoder.tower.forward_features(_normalised(images, encoder.mean, encoder.std))
    assert grid.shape[:2] == (2, encoder.tower.num_features)
    assert grid.shape[2] == grid.shape[3] > 1
    if name == VIT:  # behind its class and register tokens, row by row
        patches = states[:, encoder.tower.num_prefix_tokens :]
        side = grid.shape[2]
        assert torch.equal(grid[1, :, 1, 2], patches[1, side + 2])
    else:
        assert torch.equal(grid, states)


def test_a_token_grid_is_averaged_to_its_side_and_found_by_it() -> None:
    encoder = TimmImageEncoder(CNN, "random", size=128).eval()
    images = _images(size=128)
    with torch.no_grad():
        grid = encoder.grid(images)
        tokens = TokenGrid(encoder, 2)(images)
    assert tokens.shape == (2, 4, encoder.dim)
    assert tokens.dtype == torch.float16
    half = grid.shape[2] // 2
    torch.testing.assert_close(tokens[:, 1].float(), grid[:, :, :half, half:].mean((2, 3)), atol=2e-3, rtol=2e-3)
    assert TokenGrid(encoder, 99)(images).shape[1] == grid.shape[2] * grid.shape[3]
    prints = {TokenGrid(encoder, 2).fingerprint(), TokenGrid(encoder, 3).fingerprint(), encoder.fingerprint()}
    assert len(prints) == 3
