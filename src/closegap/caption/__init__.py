"""Captions from the shared space: decoders and how they are trained, their tokenizer, generation."""

from closegap.caption.cross import CrossAttentionDecoder
from closegap.caption.decoder import CaptionDecoder, negative_log_likelihood
from closegap.caption.generate import Generation, generate_captions
from closegap.caption.noise import noisy
from closegap.caption.objective import Captioning
from closegap.caption.prefix import PrefixDecoder
from closegap.caption.tokenizer import CaptionTokenizer

__all__ = [
    "CaptionDecoder",
    "CaptionTokenizer",
    "Captioning",
    "CrossAttentionDecoder",
    "Generation",
    "PrefixDecoder",
    "generate_captions",
    "negative_log_likelihood",
    "noisy",
]
