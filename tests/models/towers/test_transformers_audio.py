"""Audio towers of transformers: small ones of random weights, saved as that library does, give its own values."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.kinds.sounds import RATE, hum

from closegap.errors import ClosegapError
from closegap.kinds import Recording
from closegap.models import TransformersAudioEncoder
from closegap.testing import check_encoder

hf: Any = import_module("transformers")
SOUNDS = [Recording.of_samples(hum(seconds, seed=n), RATE) for n, seconds in enumerate((0.7, 0.4, 0.7))]
_SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
_CONVOLUTIONS: dict[str, Any] = {
    **_SIZES,
    "conv_dim": (8, 8, 8),
    "conv_stride": (5, 4, 4),
    "conv_kernel": (10, 4, 4),
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}


def clap() -> tuple[Any, Any]:
    text = {"vocab_size": 50, **_SIZES, "hidden_size": 8}
    audio = {
        **{"spec_size": 64, "num_mel_bins": 16, "patch_embeds_hidden_size": 8, "depths": [1, 1], "window_size": 4},
        **{"num_attention_heads": [1, 2], "hidden_size": 16, "patch_size": 4, "patch_stride": [4, 4]},
    }
    model = hf.ClapModel(hf.ClapConfig(projection_dim=12, text_config=text, audio_config=audio))
    extractor = hf.ClapFeatureExtractor(
        feature_size=16,
        sampling_rate=8000,
        max_length_s=1,
        hop_length=160,
        fft_window_size=512,
        frequency_max=4000,
        truncation="rand_trunc",
    )
    return model, extractor


def ast() -> tuple[Any, Any]:
    return hf.ASTModel(hf.ASTConfig(**_SIZES, max_length=64, num_mel_bins=32)), hf.ASTFeatureExtractor(
        num_mel_bins=32, max_length=64
    )


def wav2vec2() -> tuple[Any, Any]:
    return hf.Wav2Vec2Model(hf.Wav2Vec2Config(**_CONVOLUTIONS)), hf.Wav2Vec2FeatureExtractor()


def hubert() -> tuple[Any, Any]:
    config = hf.HubertConfig(**_CONVOLUTIONS, feat_extract_norm="layer", do_stable_layer_norm=True)
    return hf.HubertModel(config), hf.Wav2Vec2FeatureExtractor(return_attention_mask=True)


def whisper() -> tuple[Any, Any]:
    sizes = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    tokens = {"vocab_size": 60, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = hf.WhisperConfig(**sizes, **heads, **tokens, num_mel_bins=16, max_source_positions=50)
    return hf.WhisperModel(config), hf.WhisperFeatureExtractor(feature_size=16, chunk_length=1)


ARCHITECTURES: list[Callable[[], tuple[Any, Any]]] = [clap, ast, wav2vec2, hubert, whisper]


@pytest.fixture(params=ARCHITECTURES)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Any, Any]:
    torch.manual_seed(0)
    model, extractor = request.param()
    model.save_pretrained(tmp_path)
    extractor.save_pretrained(tmp_path)
    return tmp_path, model.eval(), extractor


@torch.no_grad()
def of_library(model: Any, extractor: Any, sound: Recording, own: bool) -> Any:
    """What the library's documentation has a person write, for one recording."""
    samples, rate = sound.samples(extractor.sampling_rate)
    inputs = extractor(samples[0], sampling_rate=rate, return_tensors="pt")
    if isinstance(model, hf.ClapModel):
        output = model.audio_model(input_features=inputs["input_features"], is_longer=torch.zeros(1, 1).bool())
        pooled = output.pooler_output
        return model.audio_projection(pooled)[0] if own else output.last_hidden_state[0].flatten(1).mean(1)
    if isinstance(model, hf.WhisperModel):
        states = model.encoder(inputs["input_features"]).last_hidden_state[0]
        return states[: -(-samples.shape[1] * len(states) // extractor.n_samples)].mean(0)
    output = model(**inputs)
    return output.pooler_output[0] if own and "pooler_output" in output else output.last_hidden_state[0].mean(0)


@pytest.mark.parametrize("pooling", ["own", "mean"])
def test_features_are_those_of_the_library(saved: tuple[Path, Any, Any], pooling: Any) -> None:
    folder, model, extractor = saved
    encoder = TransformersAudioEncoder(str(folder), pooling).eval()
    found = encoder(encoder.preparer()(SOUNDS))
    assert encoder.untrained
    for row, sound in zip(found, SOUNDS, strict=True):
        torch.testing.assert_close(row, of_library(model, extractor, sound, pooling == "own"), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("blocks", [0, 1, None])
def test_they_hold(saved: tuple[Path, Any, Any], blocks: int | None) -> None:
    check_encoder(TransformersAudioEncoder(str(saved[0]), trained_blocks=blocks), SOUNDS)


def test_long_sounds_are_cut_rather_than_drawn_from(tmp_path: Path) -> None:
    model, extractor = clap()
    model.save_pretrained(tmp_path)
    extractor.save_pretrained(tmp_path)
    encoder = TransformersAudioEncoder(str(tmp_path)).eval()
    long = Recording.of_samples(hum(3.0), RATE)
    first = encoder.preparer()([long])
    assert torch.equal(first["input_features"], encoder.preparer()([long])["input_features"])
    assert not first["is_longer"].any()


def test_what_is_no_tower_is_said(tmp_path: Path) -> None:
    with pytest.raises(ClosegapError, match=r"audio encoder '.*': the folder holds none that transformers can load"):
        TransformersAudioEncoder(str(tmp_path))
