import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertModel

from closegap.errors import ClosegapError
from closegap.models import TransformersTextEncoder
from closegap.models.towers.transformers import TokenPreparer

TEXTS = ["Chest CT of the left lung", "normal", "No masses and no effusion in the lung"]


def _encoder(folder: Path, **options: Any) -> TransformersTextEncoder:
    return TransformersTextEncoder(str(folder), **options).eval()


@torch.no_grad()
def test_pooling_is_its_definition(bert: Path) -> None:
    inputs = _encoder(bert).preparer()(TEXTS)
    tower: Any = BertModel.from_pretrained(bert)
    states = tower.eval()(**inputs).last_hidden_state
    lengths = inputs["attention_mask"].sum(1).tolist()
    means = torch.stack([row[:length].mean(0) for row, length in zip(states, lengths, strict=True)])
    torch.testing.assert_close(_encoder(bert)(inputs), states[:, 0])
    torch.testing.assert_close(_encoder(bert, pooling="mean")(inputs), means)
    assert lengths == [8, 3, 11]


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_padding_and_company_do_not_matter(bert: Path, pooling: str) -> None:
    encoder = _encoder(bert, pooling=pooling)
    prepare = encoder.preparer()
    apart = torch.cat([encoder(prepare([text])) for text in TEXTS])
    torch.testing.assert_close(encoder(prepare(TEXTS)), apart, atol=1e-5, rtol=1e-5)


def test_texts_are_cut_at_max_length_and_at_the_models_own(bert: Path) -> None:
    assert _encoder(bert, max_length=5).preparer()(TEXTS)["input_ids"].shape == (3, 5)
    assert _encoder(bert, max_length=999).preparer()(["lung " * 99])["input_ids"].shape == (1, 24)
    cut, whole = (_encoder(bert, max_length=5).preparer()([text]) for text in ("no mass in the lung", "no mass in"))
    assert torch.equal(cut["input_ids"], whole["input_ids"])


def test_lengths_are_those_of_the_prepared_texts(bert: Path) -> None:
    encoder = _encoder(bert, max_length=5)
    prepared = encoder.preparer()(TEXTS)["attention_mask"]
    assert list(encoder.lengths(TEXTS)) == prepared.sum(1).tolist()
    assert list(encoder.lengths([])) == []


@torch.no_grad()
def test_an_empty_text_has_finite_features(bert: Path) -> None:
    for pooling in ("cls", "mean"):
        encoder = _encoder(bert, pooling=pooling)
        assert encoder(encoder.preparer()(["", TEXTS[0]])).isfinite().all()


@pytest.mark.parametrize("blocks", [None, 0, 1, 2, 4])
def test_the_last_blocks_are_trained(bert: Path, blocks: int | None) -> None:
    encoder = _encoder(bert, trained_blocks=blocks)
    assert encoder.frozen == (blocks == 0)
    count = 4 if blocks is None else blocks
    parts = ["embeddings.", "encoder.layer.0.", "encoder.layer.1.", "encoder.layer.2."]
    for depth, part in enumerate(parts):
        trained = {p.requires_grad for name, p in encoder.tower.named_parameters() if name.startswith(part)}
        assert trained == {depth >= 4 - count}


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_all_that_is_trained_gets_a_gradient(bert: Path, pooling: str) -> None:
    encoder = _encoder(bert, trained_blocks=None, pooling=pooling).train()
    encoder(encoder.preparer()(TEXTS)).square().sum().backward()
    lacking = [name for name, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
    assert not lacking  # distributed training would wait for it
    assert any(name.startswith("tower.pooler") for name, _ in encoder.named_parameters())


def test_recomputing_activations_changes_no_gradient(bert: Path) -> None:
    gradients = []
    for checkpointing in (False, True):
        encoder = _encoder(bert, trained_blocks=1, checkpointing=checkpointing).train()
        torch.manual_seed(3)
        encoder(encoder.preparer()(TEXTS)).square().sum().backward()
        gradients.append([p.grad for p in encoder.parameters() if p.requires_grad])
    for plain, again in zip(*gradients, strict=True):
        assert plain is not None
        torch.testing.assert_close(again, plain)


def test_frozen_blocks_drop_nothing(bert: Path) -> None:
    encoder = _encoder(bert).train()
    inputs = encoder.preparer()(TEXTS)
    assert torch.equal(encoder(inputs), encoder(inputs))
    part = _encoder(bert, trained_blocks=1).train()
    assert not torch.equal(part(inputs), part(inputs))
    assert not part.tower.embeddings.dropout.training
    assert part.tower.encoder.layer[2].output.dropout.training


def test_fingerprints_tell_weights_pooling_length_and_vocabulary_apart(bert: Path, tmp_path: Path) -> None:
    words = tmp_path / "words"
    shutil.copytree(bert, words)
    tokenizer = json.loads((words / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["lung"], vocabulary["mass"] = vocabulary["mass"], vocabulary["lung"]
    (words / "tokenizer.json").write_text(json.dumps(tokenizer))
    copy = tmp_path / "copy"
    shutil.copytree(bert, copy)

    base = _encoder(bert).fingerprint()
    assert base == _encoder(bert).fingerprint() == _encoder(copy).fingerprint()
    assert base == _encoder(bert, trained_blocks=2).fingerprint()
    torch.manual_seed(5)
    others = [
        _encoder(bert, pooling="mean"),
        _encoder(bert, max_length=12),
        _encoder(bert, pretrained=False),
        _encoder(words),
    ]
    assert len({base, *(encoder.fingerprint() for encoder in others)}) == 5


def test_using_the_preparer_does_not_change_its_fingerprint(bert: Path) -> None:
    encoder = _encoder(bert)
    before = encoder.fingerprint()
    encoder.preparer()(TEXTS)
    assert encoder.fingerprint() == before


def test_the_preparer_travels(bert: Path) -> None:
    preparer = _encoder(bert).preparer()
    copy = pickle.loads(pickle.dumps(preparer))  # noqa: S301
    assert torch.equal(copy(TEXTS)["input_ids"], preparer(TEXTS)["input_ids"])
    assert repr(copy) == repr(preparer)


def test_random_weights_follow_the_seed(bert: Path) -> None:
    torch.manual_seed(1)
    first = _encoder(bert, pretrained=False)
    torch.manual_seed(1)
    assert _encoder(bert, pretrained=False).fingerprint() == first.fingerprint()
    assert first.fingerprint() != _encoder(bert).fingerprint()


def test_a_folder_that_is_no_model_is_refused(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(ClosegapError, match="the folder holds none that transformers can load; give a local directory"):
        _encoder(tmp_path)
    for content in (None, b"", b"no weights"):
        folder = tmp_path / f"bert-{content!r}"
        shutil.copytree(bert, folder)
        (folder / "model.safetensors").unlink()
        if content is not None:
            (folder / "model.safetensors").write_bytes(content)
        with pytest.raises(ClosegapError, match="the folder holds none that transformers can load") as caught:
            _encoder(folder)
        assert "\n" not in str(caught.value)


def test_weights_that_lack_a_layer_are_refused(bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    shutil.copytree(bert, folder)
    state = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in state.items() if "layer.1." not in k}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ClosegapError, match=r"its weights lack encoder\.layer\.1\..* \(16 such tensors\)"):
        _encoder(folder)


def test_weights_without_the_unused_pooler_are_taken(bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    shutil.copytree(bert, folder)
    state = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in state.items() if "pooler" not in k}, folder / "model.safetensors", {"format": "pt"})
    inputs = _encoder(bert).preparer()(TEXTS)
    assert torch.equal(_encoder(folder)(inputs), _encoder(bert)(inputs))


def test_a_name_that_cannot_be_had_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("nobody/nothing", str(tmp_path / "nothing")):
        with pytest.raises(ClosegapError, match="neither a local folder nor on a reachable hub"):
            TransformersTextEncoder(name)


@pytest.mark.parametrize("side", ["right", "left"])
def test_tokens_are_those_of_transformers(bert: Path, tmp_path: Path, side: str) -> None:
    folder = tmp_path / "bert"
    shutil.copytree(bert, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side=side, truncation_side=side)
    tokenizer.save_pretrained(folder)
    texts = [*TEXTS, "", "lung " * 30, "[CLS] mass [MASK]", "Ünknown wörds"]
    expected = tokenizer(texts, padding=True, truncation=True, max_length=9, return_tensors="pt")
    prepared = _encoder(folder, max_length=9).preparer()(texts)
    assert prepared.keys() == {"input_ids", "attention_mask"}
    for name, tensor in prepared.items():
        assert torch.equal(tensor, expected[name])
        assert tensor.dtype == expected[name].dtype


def test_a_tokenizer_without_padding_is_refused(bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(bert)
    tokenizer.pad_token = None
    with pytest.raises(ClosegapError, match="no padding token; give a model that has one"):
        TokenPreparer(tokenizer, 8)


def test_a_config_that_names_code_is_not_unpacked(bert: Path, tmp_path: Path) -> None:
    encoder = _encoder(bert)
    arguments = encoder.pack(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"attn_implementation": "someone/kernel"}))
    with pytest.raises(ClosegapError, match=r"config\.json: names code to run"):
        TransformersTextEncoder.unpack(tmp_path, arguments)
    # A class beside the config is never imported: transformers' own is taken.
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    (tmp_path / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Evil"}}))
    assert type(TransformersTextEncoder.unpack(tmp_path, arguments).tower) is BertModel
