"""Captions from memories: greedy, beams, or sampling from the nucleus."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from closegap.caption.decoder import CaptionDecoder
from closegap.caption.tokenizer import CaptionTokenizer
from closegap.errors import UsageError
from closegap.progress import Progress

if TYPE_CHECKING:
    from transformers import GenerationConfig


@dataclass(frozen=True)
class Generation:
    """How captions are searched for.

    Args:
        beams: number of beams; 1 is greedy.
        length_penalty: the score of a beam is its log-likelihood / length^penalty, so that more of it favours longer
            captions; it needs beams.
        top_p: below 1, tokens are drawn from the smallest set that holds this probability, rather than searched for.
        temperature: logits are divided by it before drawing.
        no_repeat_ngram: no sequence of so many tokens comes twice in a caption; 0 allows it.
        max_tokens: longest caption; None: as long as the decoder learned to write.
        batch_size: captions at once.
        seed: of what is drawn; with equal batches, equal captions.

    Raises:
        UsageError: a number out of range, or options that do not go together.
    """

    beams: int = 3
    length_penalty: float = 1.0
    top_p: float = 1.0
    temperature: float = 1.0
    no_repeat_ngram: int = 3
    max_tokens: int | None = None
    batch_size: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("beams", "batch_size", "temperature", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name}: {value} given, expected a number above 0")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p: {self.top_p} given, expected a probability in (0, 1]")
        if self.no_repeat_ngram < 0:
            raise UsageError(f"no_repeat_ngram: {self.no_repeat_ngram} given, expected a length, or 0 for none")
        if self.top_p < 1 and self.beams > 1:
            raise UsageError(
                f"top_p {self.top_p} draws and {self.beams} beams search; give one of them, beams 1 or top_p 1"
            )
        if self.temperature != 1 and self.top_p == 1:
            raise UsageError(f"temperature {self.temperature} is for drawing; give a top_p below 1 too")


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
