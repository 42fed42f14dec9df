from itertools import product
from typing import Any

import pytest
import torch
from tests.caption.tiny import CAPTIONS, KINDS, decoder, memory, tokenizer
from torch import Tensor

from closegap.caption import CaptionDecoder, Generation, generate_captions, negative_log_likelihood
from closegap.caption.generate import library_settings
from closegap.errors import UsageError

CPU = torch.device("cpu")
WORDS = tokenizer()


def _trained(kind: str, steps: int = 60) -> CaptionDecoder:
    model = decoder(kind, WORDS, width=32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        total, count = negative_log_likelihood(model, memory(kind), WORDS.encode(CAPTIONS))
        optimizer.zero_grad()
        (total / count).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model


MODELS = {kind: _trained(kind) for kind in KINDS}


def _written(kind: str, given: Tensor | None = None, **options: Any) -> list[str]:
    given = memory(kind) if given is None else given
    return generate_captions(MODELS[kind], WORDS, given, Generation(**options), CPU)


@torch.no_grad()
def _greedy(kind: str, given: Tensor) -> list[str]:
    """Token by token, without a cache."""
    model = MODELS[kind].eval()
    rows = torch.full((len(given), 1), WORDS.start)
    for _ in range(WORDS.max_tokens + 1):
        rows = torch.cat([rows, model(given, rows)[:, -1].argmax(-1, keepdim=True)], 1)
    return WORDS.decode(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_is_the_best_token_each_time(kind: str) -> None:
    other = memory(kind, 6, seed=5)  # of no training caption
    assert _written(kind, other, beams=1, no_repeat_ngram=0) == _greedy(kind, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_decoder_writes_its_captions(kind: str) -> None:
    for options in ({"beams": 1}, {"beams": 4}, {"beams": 1, "top_p": 0.1}):
        assert _written(kind, **options) == CAPTIONS


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_any_size_give_the_same(kind: str) -> None:
    given = memory(kind, 7, seed=3)
    for beams in (1, 3):
        whole = _written(kind, given, beams=beams)
        assert _written(kind, given, beams=beams, batch_size=2) == whole
        assert _written(kind, given.flip(0), beams=beams) == whole[::-1]


def test_beams_find_what_is_at_least_as_likely() -> None:
    given = memory("prefix", 8, seed=9)
    found = {beams: _written("prefix", given, beams=beams, no_repeat_ngram=0, length_penalty=0.0) for beams in (1, 8)}

    def likelihood(captions: list[str]) -> float:
        return -float(negative_log_likelihood(MODELS["prefix"], given, WORDS.encode(captions))[0])

    assert likelihood(found[8]) >= likelihood(found[1]) - 1e-4


def test_what_is_drawn_depends_on_the_seed_alone() -> None:
    given = memory("prefix", 8, seed=2)
    options: dict[str, Any] = {"beams": 1, "top_p": 0.95, "temperature": 3.0}
    torch.manual_seed(1)
    first = _written("prefix", given, seed=4, **options)
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    assert _written("prefix", given, seed=4, **options) == first
    assert _written("prefix", given, seed=5, **options) != first
    torch.manual_seed(1)
    assert torch.equal(torch.random.get_rng_state(), torch.manual_seed(1).get_state())
    torch.manual_seed(1)
    _written("prefix", given, seed=4, **options)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_no_ngram_comes_twice() -> None:
    model = decoder("prefix", WORDS)
    for beams, ngram in product((1, 3), (1, 2)):
        settings = Generation(beams=beams, no_repeat_ngram=ngram)
        for row in model.eval().generate(memory("prefix"), library_settings(WORDS, settings)).tolist():
            tokens = [token for token in row if token != WORDS.pad]
            grams = [tuple(tokens[i : i + ngram]) for i in range(len(tokens) - ngram + 1)]
            assert len(set(grams)) == len(grams) > 10


def test_length_and_progress_and_mode() -> None:
    told: list[tuple[int, int]] = []
    model = MODELS["prefix"].train()
    given = memory("prefix", 5)
    short = generate_captions(
        model, WORDS, given, Generation(max_tokens=2, batch_size=2), CPU, lambda *now: told.append(now)
    )
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert model.training
    assert all((WORDS.encode([caption]) >= 0).sum() <= 2 + 1 + 2 for caption in short)
    assert generate_captions(model, WORDS, given[:0], Generation(), CPU) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beams": 0}, "Generation.beams: 0 given, expected a whole number from 1 to 1000"),
        ({"top_p": 1.5}, "Generation.top_p: 1.5 given, expected a number above 0, at most 1"),
        ({"top_p": 0.9}, "top_p 0.9 draws and 3 beams search; give one of them"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram: -1 given"),
        ({"temperature": 0.5}, "temperature 0.5 is for drawing; give a top_p below 1 too"),
        ({"max_tokens": 99}, "max_tokens: 99 given, the decoder learned captions of 24 at most"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _written("prefix", **options)
