"""A tokenizer and decoders so small that a test takes a moment."""

from typing import Any

import torch

from closegap.caption import CaptionDecoder, CaptionTokenizer, CrossAttentionDecoder, PrefixDecoder

CAPTIONS = [
    "CT of the chest showing a mass",
    "MRI of the brain showing an oedema.",
    "Ultrasound of the liver: a cyst of 3 mm",
    "CT of the chest",
]
FEATURES = 6


def tokenizer(max_tokens: int = 24) -> CaptionTokenizer:
    return CaptionTokenizer.train(CAPTIONS, vocabulary=300, max_tokens=max_tokens)


def decoder(kind: str, words: CaptionTokenizer, seed: int = 0, **options: Any) -> CaptionDecoder:
    """A prefix, BERT or GPT-2 decoder of one layer."""
    torch.manual_seed(seed)
    given: dict[str, Any] = {"layers": 1, "width": 16, "heads": 2, "dropout": 0.0} | options
    if kind == "prefix":
        return PrefixDecoder(FEATURES, words, prefix=3, **given)
    return CrossAttentionDecoder(FEATURES, words, architecture=kind, **given)  # type: ignore[arg-type]


def memory(kind: str, n: int = 4, seed: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    shape = (n, FEATURES) if kind == "prefix" else (n, 5, FEATURES)
    return torch.nn.functional.normalize(torch.randn(shape, generator=random), dim=-1)


KINDS = ("prefix", "bert", "gpt2")
