"""Models of open_clip: small ones of random weights, saved as that library does, give its own values."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

import closegap
from closegap.errors import ClosegapError
from closegap.models import Model, OpenClipImageEncoder, OpenClipTextEncoder
from closegap.testing import check_encoder

open_clip: Any = import_module("open_clip")
TEXTS = [
    "left lung mass",
    "Normal.",
    "no effusion in the chest",
    "a nodule of the right lung, and a small effusion " * 4,
]
_SEEN = {"image_size": 32, "layers": 2, "width": 16, "head_width": 8, "patch_size": 16}
_READ = {"context_length": 16, "width": 16, "heads": 2, "layers": 2}
_PREPARED = {"mean": [0.5] * 3, "std": [0.4] * 3, "interpolation": "bilinear", "resize_mode": "squash"}


def configs(bert: Path) -> dict[str, dict[str, Any]]:
    """One of each kind: CLIP, a text tower of its own module, a tower of timm beside one of transformers, CoCa."""
    words = {"hf_tokenizer_name": str(bert), "vocab_size": 40}
    of_transformers = {**words, "hf_model_name": str(bert), "hf_proj_type": "linear", "hf_pooler_type": "mean_pooler"}
    coca = {"embed_cls": True, "output_tokens": True, "pad_id": 0}
    found: dict[str, dict[str, Any]] = {
        "clip": {"vision_cfg": _SEEN, "text_cfg": {**_READ, "vocab_size": 49408}, "quick_gelu": True},
        "custom": {"vision_cfg": _SEEN, "text_cfg": {**_READ, **words, "proj_bias": True}},
        "libraries": {
            "vision_cfg": {
                "timm_model_name": "test_vit",
                "timm_pool": "token",
                "timm_proj": "linear",
                "image_size": 32,
            },
            "text_cfg": {**of_transformers, "context_length": 20},
        },
        "coca": {
            "vision_cfg": {**_SEEN, "output_tokens": True, "attentional_pool": True, "attn_pooler_heads": 2},
            "text_cfg": {**_READ, **words, **coca},
            "multimodal_cfg": {"width": 16, "context_length": 16, "vocab_size": 40, "heads": 2, "layers": 1},
        },
    }
    return {name: {**config, "custom_text": name != "clip"} for name, config in found.items()}


@pytest.fixture(scope="module", params=["clip", "custom", "libraries", "coca"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, bert: Path) -> Path:
    folder: Path = tmp_path_factory.mktemp(request.param)
    config = {"embed_dim": 12, **configs(bert)[request.param]}
    said = {"model_cfg": config, "preprocess_cfg": _PREPARED}
    (folder / "open_clip_config.json").write_text(json.dumps(said), encoding="utf-8")
    torch.manual_seed(0)
    made = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False)
    if request.param != "clip":
        import_module("transformers").AutoTokenizer.from_pretrained(bert).save_pretrained(folder)
    save_file(
        {name: tensor.clone() for name, tensor in made.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return folder


def own_rows(folder: Path, pictures: list[Path]) -> dict[str, Tensor]:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    seen = torch.stack([transform(Image.open(path).convert("RGB")) for path in pictures])
    with torch.no_grad():
        model.eval()
        return {
            "image": model.encode_image(seen, normalize=True),
            "text": model.encode_text(tokenizer(TEXTS), normalize=True),
        }


def test_embeddings_are_the_librarys_own(saved: Path, pictures: list[Path], tmp_path: Path) -> None:
    model = closegap.load(f"open_clip:{saved}")
    own = own_rows(saved, pictures)
    for name, rows in model.embed(image=pictures, text=TEXTS).items():
        torch.testing.assert_close(rows, own[name], rtol=0, atol=1e-6)
    assert model.temperature(1.0).item() == pytest.approx(0.07)
    model.save_pretrained(tmp_path / "model")
    again = Model.from_pretrained(tmp_path / "model").embed(image=pictures, text=TEXTS)
    for name, rows in again.items():
        torch.testing.assert_close(rows, own[name], rtol=0, atol=1e-6)


def test_towers_hold(saved: Path, pictures: list[Path]) -> None:
    check_encoder(OpenClipImageEncoder(str(saved), trained_blocks=1), pictures[:2])
    if saved.name.startswith("clip"):
        return  # its words, of which there are 49,408, are read for seconds each time
    check_encoder(OpenClipTextEncoder(str(saved), trained_blocks=1), TEXTS[:2])


def test_the_last_blocks_are_trained_and_no_embedding(saved: Path) -> None:
    for kind in (OpenClipImageEncoder, OpenClipTextEncoder):
        encoder = kind(str(saved), trained_blocks=1)
        trained = [name for name, parameter in encoder.named_parameters() if parameter.requires_grad]
        assert trained
        assert not [name for name in trained if "embed" in name or "resblocks.0." in name]


def test_architecture_and_checkpoint(tmp_path: Path, bert: Path, pictures: list[Path]) -> None:
    """As they are most often found: an architecture by name, beside a file of weights."""
    (tmp_path / "tiny-clip.json").write_text(json.dumps({"embed_dim": 12, **configs(bert)["custom"]}), encoding="utf-8")
    open_clip.add_model_config(tmp_path / "tiny-clip.json")
    torch.manual_seed(0)
    own = open_clip.create_model("tiny-clip").eval()
    torch.save(own.state_dict(), tmp_path / "weights.pt")
    encoder = OpenClipImageEncoder(f"tiny-clip/{tmp_path / 'weights.pt'}").eval()
    with torch.no_grad():
        seen = encoder.preparer()(pictures)
        torch.testing.assert_close(encoder(seen), own.encode_image(seen), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("ViT-B32", "open_clip: 'ViT-B32' is no folder, and 'ViT-B32' no architecture; did you mean ViT-B-32"),
        ("ViT-B-32", "'ViT-B-32' names no weights; give ViT-B-32/TAG or /FILE; its tags: openai, "),
        ("ViT-B-32/none.pt", "open_clip 'ViT-B-32/none.pt': cannot be loaded .* not a known tag or valid file path"),
    ],
)
def test_what_cannot_be_had_is_one_line(name: str, line: str) -> None:
    with pytest.raises(ClosegapError, match=line) as caught:
        closegap.load(f"open_clip:{name}")
    assert "\n" not in str(caught.value)


def test_a_folder_of_something_else_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ClosegapError, match="cannot be loaded"):
        closegap.load(f"open_clip:{tmp_path}")
