"""Captions from memories: greedy, beams, or sampling from the nucleus."""

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.caption.decoder import CaptionDecoder
from closegap.caption.generation import Generation
from closegap.caption.tokenizer import CaptionTokenizer
from closegap.errors import UsageError
from closegap.progress import Progress

if TYPE_CHECKING:
    from transformers import GenerationConfig


def generate_captions(
    decoder: CaptionDecoder,
    tokenizer: CaptionTokenizer,
    memory: Float[Tensor, "n ..."],
    settings: Generation,
    device: torch.device,
    progress: Progress | None = None,
) -> list[str]:
    """One caption per row of memory, in their order.

    Args:
        decoder: on `device`, in whatever mode; it is evaluated.
        tokenizer: the decoder's.
        memory: what the decoder reads.
        settings: how captions are searched for.
        device: where the decoder is.
        progress: called with (captions done, captions).

    Raises:
        UsageError: captions longer than the decoder learned to write.
    """
    config = library_settings(tokenizer, settings)
    training = decoder.training
    decoder.eval()
    captions: list[str] = []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(settings.seed)
        for rows in torch.split(memory, settings.batch_size) if len(memory) else ():
            captions += tokenizer.decode(decoder.generate(rows.to(device), config).cpu())
            if progress is not None:
                progress(len(captions), len(memory))
    decoder.train(training)
    return captions


def library_settings(tokenizer: CaptionTokenizer, settings: Generation) -> "GenerationConfig":
    """The settings as transformers takes them.

    Raises:
        UsageError: captions longer than the decoder learned to write.
    """
    from transformers import GenerationConfig

    longest = settings.max_tokens or tokenizer.max_tokens
    if longest > tokenizer.max_tokens:
        raise UsageError(f"max_tokens: {longest} given, the decoder learned captions of {tokenizer.max_tokens} at most")
    drawn: dict[str, Any] = {
        "do_sample": True,
        "top_p": settings.top_p,
        "top_k": 0,
        "temperature": settings.temperature,
    }
    searched: dict[str, Any] = {"do_sample": False, "num_beams": settings.beams}
    if settings.beams > 1:
        searched |= {"length_penalty": settings.length_penalty, "early_stopping": False}
    return GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=longest + 1,  # the end is one
        no_repeat_ngram_size=settings.no_repeat_ngram,
        bos_token_id=tokenizer.start,
        eos_token_id=tokenizer.end,
        pad_token_id=tokenizer.pad,
        **(drawn if settings.top_p < 1 else searched),
    )
