"""A decoder in training."""

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from closegap.caption.decoder import CaptionDecoder, negative_log_likelihood
from closegap.caption.noise import noisy


class Captioner(nn.Module):
    """The likelihood of captions under a decoder; in training mode, shared embeddings come to it with noise.

    Args:
        decoder: what writes.
        noise: length of the noise on embeddings.
    """

    def __init__(self, decoder: CaptionDecoder, noise: float = 0.0) -> None:
        super().__init__()
        self.decoder: Any = decoder
        self.noise = noise

    def forward(
        self, memory: Float[Tensor, "n ..."], tokens: Int[Tensor, "n t"]
    ) -> tuple[Float[Tensor, ""], Int[Tensor, ""]]:
        """See `negative_log_likelihood`; of no caption it is 0, with a (zero) gradient for each parameter."""
        if not len(tokens):
            zero = sum(
                (0 * parameter.sum() for parameter in self.parameters() if parameter.requires_grad), memory.sum()
            )
            return zero, tokens.new_zeros(())
        if self.training and self.decoder.reads == "embedding":
            memory = noisy(memory, self.noise)
        return negative_log_likelihood(self.decoder, memory, tokens)
