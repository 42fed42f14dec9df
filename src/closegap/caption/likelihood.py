"""How likely captions are under a decoder: in a step, and over a split."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from closegap.caption.captioner import Captioner
from closegap.caption.memories import pairs
from closegap.data.loader import Views
from closegap.distributed import total, world_size
from closegap.training.task import Terms

_ROWS = 128  # captions at once in validation


def caption_terms(nll: Float[Tensor, ""], tokens: Int[Tensor, ""], weight: float) -> Terms:
    """The global batch's cross-entropy per token; its gradient is this process's share, for the mean over processes.

    Args:
        nll: sum over this process's tokens.
        tokens: their number.
        weight: of the term.
    """
    scale = weight / total(tokens).clamp_min(1)
    share = scale * world_size() * nll
    return {"caption": share + (scale * total(nll) - share).detach()}


@torch.no_grad()
def log_likelihood(captioner: Captioner, memory: Views, captions: Views, device: torch.device) -> float:
    """Mean log p(token | memory, tokens before) in nats over all captions; at most 0, higher is better.

    exp(-log_likelihood) is the perplexity.

    Args:
        captioner: the decoder, in whatever mode; it is evaluated.
        memory: with features.
        captions: with tokens.
        device: where the decoder is.
    """
    assert memory.features is not None
    assert captions.inputs is not None
    training = captioner.training
    captioner.eval()
    items, texts = pairs(memory, captions)
    by_length = (captions.inputs[texts] >= 0).sum(1).argsort(stable=True)
    nll, tokens = 0.0, 0
    for rows in torch.split(by_length, _ROWS):
        found = captioner(memory.features[items[rows]].to(device), captions.inputs[texts[rows]].to(device))
        nll, tokens = nll + float(found[0]), tokens + int(found[1])
    captioner.train(training)
    return -nll / max(1, tokens)
