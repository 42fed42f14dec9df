"""Noise on embeddings: a decoder that learns from texts alone has to read images later."""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor


def noisy(embeddings: Float[Tensor, "n d"], length: float) -> Float[Tensor, "n d"]:
    """Unit vectors at a random place around each: normalise(z + length * g / sqrt(d)), g standard normal.

    The noise has expected squared length length^2, whatever d, so the result's cosine to z is about
    1 / sqrt(1 + length^2): noise of length 1 gives .71, of length 3 .32.

    Args:
        embeddings: unit-norm rows.
        length: of the noise, at least 0; 0 returns the embeddings.

    Reference:
        Nukrai et al., Text-only training for image captioning using noise-injected CLIP (CapDec), 2211.00575: their
        variance .016 per coordinate of 640 is a length of 3.2. Normalising after it is ours.
    """
    if length == 0:
        return embeddings
    return F.normalize(embeddings + length / math.sqrt(embeddings.shape[1]) * torch.randn_like(embeddings), dim=-1)
