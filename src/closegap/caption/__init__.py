"""Captions from the shared space: decoders and how they are trained, their tokenizer, generation."""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.caption.cross import CrossAttentionDecoder as CrossAttentionDecoder
    from closegap.caption.decoder import CaptionDecoder as CaptionDecoder
    from closegap.caption.decoder import negative_log_likelihood as negative_log_likelihood
    from closegap.caption.generate import generate_captions as generate_captions
    from closegap.caption.generation import Generation as Generation
    from closegap.caption.noise import noisy as noisy
    from closegap.caption.objective import Captioning as Captioning
    from closegap.caption.prefix import PrefixDecoder as PrefixDecoder
    from closegap.caption.scoring import Scoring as Scoring
    from closegap.caption.tokenizer import CaptionTokenizer as CaptionTokenizer

_HOMES = {
    "CaptionDecoder": "closegap.caption.decoder",
    "CaptionTokenizer": "closegap.caption.tokenizer",
    "Captioning": "closegap.caption.objective",
    "CrossAttentionDecoder": "closegap.caption.cross",
    "Generation": "closegap.caption.generation",
    "PrefixDecoder": "closegap.caption.prefix",
    "Scoring": "closegap.caption.scoring",
    "generate_captions": "closegap.caption.generate",
    "negative_log_likelihood": "closegap.caption.decoder",
    "noisy": "closegap.caption.noise",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
