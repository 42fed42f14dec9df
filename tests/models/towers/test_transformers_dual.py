"""CLIP-like models of transformers: small ones of random weights, saved as that library does, give its own values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.kinds.sounds import RATE, hum
from tests.models.small_clip import SEEN, SIZES, clip, words
from torch import Tensor
from torch.nn.functional import normalize

import closegap
from closegap.errors import ClosegapError, UsageError
from closegap.kinds import Recording
from closegap.models import DualImageEncoder, DualTextEncoder, IdentityHead, Model
from closegap.testing import check_encoder

hf: Any = import_module("transformers")
TEXTS = [
    "left lung mass",
    "normal",
    "no effusion in the chest",
    "a nodule of the right lung, and a small effusion " * 4,
]
SOUNDS = [Recording.of_samples(hum(seconds, seed=n), RATE) for n, seconds in enumerate((0.7, 0.4))]
_SIDE = {"size": {"height": 32, "width": 32}}


@dataclass(frozen=True)
class Saved:
    """A model in a folder, and how its own library embeds with it."""

    folder: Path
    model: Any

    def text(self, texts: list[str], **options: Any) -> Tensor:
        tokenizer = hf.AutoTokenizer.from_pretrained(self.folder)
        given = tokenizer(texts, return_tensors="pt", truncation=True, **({"padding": True} | options))
        with torch.no_grad():
            return normalize(self.model.get_text_features(**given).pooler_output, dim=-1)

    def image(self, paths: list[Path]) -> Tensor:
        processor = hf.AutoImageProcessor.from_pretrained(self.folder)
        given = processor(images=[Image.open(path).convert("RGB") for path in paths], return_tensors="pt")
        with torch.no_grad():
            return normalize(self.model.get_image_features(**given).pooler_output, dim=-1)


def siglip(folder: Path) -> tuple[Any, Any, Any]:
    text = {**SIZES, "vocab_size": 20, "max_position_embeddings": 24, "pad_token_id": 0}
    model = hf.SiglipModel(hf.SiglipConfig(text_config=text, vision_config=SEEN))
    return model, words(folder), hf.SiglipImageProcessor(**_SIDE)


def siglip2(folder: Path) -> tuple[Any, Any, Any]:
    text = {**SIZES, "vocab_size": 20, "max_position_embeddings": 24, "pad_token_id": 0}
    seen = {**SIZES, "num_patches": 16, "patch_size": 8}
    model = hf.Siglip2Model(hf.Siglip2Config(text_config=text, vision_config=seen))
    return model, words(folder), hf.Siglip2ImageProcessor(patch_size=8, max_num_patches=16)


def align(folder: Path) -> tuple[Any, Any, Any]:
    text = {**SIZES, "vocab_size": 20, "max_position_embeddings": 24}
    seen = {"image_size": 32, "width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 12}
    model = hf.AlignModel(hf.AlignConfig(projection_dim=32, text_config=text, vision_config=seen))
    return model, words(folder), hf.EfficientNetImageProcessor(**_SIDE)


ARCHITECTURES: Mapping[str, Callable[[Path], tuple[Any, Any, Any]]] = {
    "clip": clip,
    "siglip": siglip,
    "siglip2": siglip2,
    "align": align,
}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    model, tokenizer, processor = ARCHITECTURES[request.param](folder)
    for part in (model, tokenizer, processor):
        part.save_pretrained(folder)
    return Saved(folder, hf.AutoModel.from_pretrained(folder).eval())


def test_embeddings_are_the_librarys_own(saved: Saved, pictures: list[Path]) -> None:
    model = closegap.load(f"hf:{saved.folder}")
    found = model.embed(image=pictures, text=TEXTS)
    full = "siglip" in saved.folder.name
    options = {"padding": "max_length", "max_length": 24} if full else {}
    torch.testing.assert_close(found["image"], saved.image(pictures), rtol=0, atol=1e-6)
    torch.testing.assert_close(found["text"], saved.text(TEXTS, **options), rtol=0, atol=1e-6)


def test_the_temperature_is_the_models(saved: Saved) -> None:
    tau = closegap.load(f"hf:{saved.folder}").temperature(1.0).item()
    own = saved.model.temperature if "align" in saved.folder.name else 1 / saved.model.logit_scale.exp()
    assert tau == pytest.approx(own.item(), rel=1e-6)


def test_towers_hold(saved: Saved, pictures: list[Path]) -> None:
    check_encoder(DualImageEncoder(str(saved.folder), trained_blocks=None), pictures[:2])
    check_encoder(DualTextEncoder(str(saved.folder), trained_blocks=1), TEXTS[:2])


def test_it_is_a_model_like_any(saved: Saved, pictures: list[Path], tmp_path: Path) -> None:
    """Saved without its library's folder, loaded, trained on."""
    model = closegap.load(f"hf:{saved.folder}")
    model.save_pretrained(tmp_path / "model")
    again = Model.from_pretrained(tmp_path / "model")
    for name, rows in model.embed(image=pictures, text=TEXTS).items():
        assert torch.equal(again.embed(image=pictures, text=TEXTS)[name], rows)
    assert model.encoder("image").frozen
    assert model.encoder("text").frozen


def test_a_checkpoint_is_read_once(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    own = hf.AutoModel.from_pretrained

    def counted(*args: Any, **options: Any) -> Any:
        read.append(args[0])
        return own(*args, **options)

    monkeypatch.setattr(hf.AutoModel, "from_pretrained", counted)
    model = closegap.load(f"hf:{saved.folder}")
    assert len(read) == 1
    image, text = ({id(parameter) for parameter in model.encoder(name).parameters()} for name in ("image", "text"))
    assert image
    assert text
    assert not image & text


def test_blip2_gives_the_mean_of_what_its_queries_see(tmp_path: Path, pictures: list[Path]) -> None:
    qformer = {**SIZES, "vocab_size": 20, "encoder_hidden_size": 16, "use_qformer_text_input": True}
    config = hf.Blip2Config(
        vision_config=SEEN,
        qformer_config={**qformer, "max_position_embeddings": 24},
        text_config={"model_type": "opt", "vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 1, "ffn_dim": 16},
        num_query_tokens=3,
        image_text_hidden_size=12,
    )
    torch.manual_seed(0)
    own = hf.Blip2ForImageTextRetrieval(config).eval()
    torch.nn.init.normal_(own.query_tokens)
    for part in (own, words(tmp_path), hf.BlipImageProcessor(**_SIDE)):
        part.save_pretrained(tmp_path)
    found = closegap.load(f"hf:{tmp_path}").embed(image=pictures, text=TEXTS)
    processor, tokenizer = (kind.from_pretrained(tmp_path) for kind in (hf.AutoImageProcessor, hf.AutoTokenizer))
    seen = processor(images=[Image.open(path).convert("RGB") for path in pictures], return_tensors="pt")
    read = tokenizer(TEXTS, return_tensors="pt", padding=True, truncation=True)
    with torch.no_grad():
        scored = own(**seen, input_ids=read.input_ids[:3], attention_mask=read.attention_mask[:3])
    torch.testing.assert_close(found["text"][:3], scored.text_embeds, rtol=0, atol=1e-6)
    torch.testing.assert_close(found["image"], normalize(scored.image_embeds.mean(1), dim=-1), rtol=0, atol=1e-6)
    check_encoder(DualImageEncoder(str(tmp_path), trained_blocks=3), pictures[:2])
    check_encoder(DualTextEncoder(str(tmp_path), trained_blocks=None), TEXTS[:2])


def test_clap_has_audio_in_place_of_images(tmp_path: Path) -> None:
    audio = {
        **{"spec_size": 64, "num_mel_bins": 16, "patch_embeds_hidden_size": 8, "depths": [1, 1], "window_size": 4},
        **{"num_attention_heads": [1, 2], "hidden_size": 16, "patch_size": 4, "patch_stride": [4, 4]},
    }
    text = {**SIZES, "vocab_size": 20, "max_position_embeddings": 26, "pad_token_id": 0}
    torch.manual_seed(0)
    own = hf.ClapModel(hf.ClapConfig(projection_dim=12, text_config=text, audio_config=audio)).eval()
    rates = {"feature_size": 16, "sampling_rate": 8000, "max_length_s": 1, "hop_length": 160, "frequency_max": 4000}
    extractor = hf.ClapFeatureExtractor(**rates, fft_window_size=512, truncation="rand_trunc")
    for part in (own, words(tmp_path), extractor):
        part.save_pretrained(tmp_path)
    model = closegap.load(f"hf:{tmp_path}")
    assert model.modalities == ("audio", "text")
    found = model.embed(audio=SOUNDS, text=TEXTS)
    heard = [extractor(sound.samples(8000)[0].mean(0), sampling_rate=8000, return_tensors="pt") for sound in SOUNDS]
    read = hf.AutoTokenizer.from_pretrained(tmp_path)(TEXTS, return_tensors="pt", padding=True, truncation=True)
    with torch.no_grad():
        own_audio = torch.cat([own.get_audio_features(**one).pooler_output for one in heard])
        own_text = own.get_text_features(read.input_ids, read.attention_mask).pooler_output
    torch.testing.assert_close(found["audio"], own_audio, rtol=0, atol=1e-6)
    torch.testing.assert_close(found["text"], own_text, rtol=0, atol=1e-6)
    assert model.temperature(1.0).item() == pytest.approx(1 / own.logit_scale_a.exp().item())


def test_what_is_no_dual_encoder_is_one_line(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="BertModel has no tower of images beside another"):
        closegap.load(f"hf:{bert}")
    with pytest.raises(ClosegapError, match="the folder holds none that transformers can load; give a local"):
        closegap.load(f"hf:{tmp_path}")
    with pytest.raises(UsageError, match="hf:: no name after it"):
        closegap.load("hf:")


def test_an_identity_head_has_the_towers_width() -> None:
    with pytest.raises(UsageError, match="the tower gives 12 features"):
        IdentityHead(12, 512)
