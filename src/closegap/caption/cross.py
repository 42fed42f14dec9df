"""A caption from the image tower's tokens: a language model that attends to them in every layer."""

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from closegap.bounds import Depth, ShareBelowOne, Width
from closegap.caption.decoder import CaptionDecoder
from closegap.caption.language_model import Architecture, named_language_model, small_language_model
from closegap.caption.tokenizer import CaptionTokenizer

if TYPE_CHECKING:
    from transformers import GenerationConfig


class CrossAttentionDecoder(CaptionDecoder):
    """BERT as a decoder, or GPT-2, with cross-attention over the image's tokens.

    Args:
        features: of each image token.
        tokenizer: of the captions.
        name: a BERT, a GPT-2 or their like by hub name or local directory, whose cross-attention starts new; None: a
            small one from scratch.
        architecture: of the small model.
        layers: of the small model.
        width: of the small model's states.
        heads: attention heads of the small model.
        dropout: share of the small model's units dropped in training.

    Reference:
        Rothe et al., Leveraging pre-trained checkpoints for sequence generation tasks, 1907.12461 (BERT as a decoder).
    """

    reads = "tokens"

    def __init__(
        self,
        features: Width,
        tokenizer: CaptionTokenizer,
        name: str | None = None,
        architecture: Architecture = "bert",
        layers: Depth = 3,
        width: Width = 256,
        heads: Width = 4,
        dropout: ShareBelowOne = 0.1,
    ) -> None:
        super().__init__()
        self.language_model: Any = (
            small_language_model(tokenizer, architecture, layers, width, heads, dropout, cross_attention=True)
            if name is None
            else named_language_model(name, tokenizer, cross_attention=True)
        )
        self.start = tokenizer.start
        width = self.language_model.get_input_embeddings().embedding_dim
        self.map = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, width), nn.LayerNorm(width))

    def forward(self, memory: Float[Tensor, "n m features"], tokens: Int[Tensor, "n t"]) -> Float[Tensor, "n t v"]:
        """Logits of the next tokens."""
        logits: Tensor = self.language_model(
            input_ids=tokens, encoder_hidden_states=self.map(memory.float()), use_cache=False
        ).logits
        return logits

    @torch.no_grad()
    def generate(self, memory: Float[Tensor, "n m features"], settings: "GenerationConfig") -> Int[Tensor, "n t"]:
        """Tokens from the start on."""
        from transformers import DynamicCache, EncoderDecoderCache

        config = self.language_model.config
        found: Tensor = self.language_model.generate(
            input_ids=torch.full((len(memory), 1), self.start, device=memory.device),
            attention_mask=torch.ones(len(memory), 1, dtype=torch.long, device=memory.device),
            encoder_hidden_states=self.map(memory.float()),
            past_key_values=EncoderDecoderCache(DynamicCache(config=config), DynamicCache(config=config)),
            generation_config=settings,
        )
        return found
