"""A caption from one vector of the shared space: soft tokens in front of a causal language model."""

import warnings
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from closegap.bounds import Depth, ShareBelowOne, Width
from closegap.caption.decoder import CaptionDecoder
from closegap.caption.language_model import named_language_model, small_language_model
from closegap.caption.tokenizer import CaptionTokenizer

if TYPE_CHECKING:
    from transformers import GenerationConfig


class PrefixDecoder(CaptionDecoder):
    """k soft tokens, mapped from the embedding by two layers, stand before the caption.

    Args:
        features: width of the shared space.
        tokenizer: of the captions.
        name: a causal language model by hub name or local directory; None: a small GPT-2 from scratch.
        prefix: number of soft tokens.
        layers: of the small model.
        width: of the small model's states.
        heads: attention heads of the small model.
        dropout: share of the small model's units dropped in training.

    Reference:
        Mokady et al., ClipCap: CLIP prefix for image captioning, 2111.09734.
    """

    reads = "embedding"

    def __init__(
        self,
        features: Width,
        tokenizer: CaptionTokenizer,
        name: str | None = None,
        prefix: Depth = 8,
        layers: Depth = 3,
        width: Width = 256,
        heads: Width = 4,
        dropout: ShareBelowOne = 0.1,
    ) -> None:
        super().__init__()
        self.language_model: Any = (
            small_language_model(tokenizer, "gpt2", layers, width, heads, dropout, prefix)
            if name is None
            else named_language_model(name, tokenizer)
        )
        self.prefix, self.start = prefix, tokenizer.start
        width = self.language_model.get_input_embeddings().embedding_dim
        hidden = max(width, prefix * width // 2)
        self.map = nn.Sequential(
            nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, prefix * width), nn.Unflatten(1, (prefix, width))
        )
        # Soft tokens begin about as long as the embeddings of tokens are.
        self.scale = nn.Parameter(self.language_model.get_input_embeddings().weight.detach().std() * torch.ones(1))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)

    def forward(self, memory: Float[Tensor, "n d"], tokens: Int[Tensor, "n t"]) -> Float[Tensor, "n t vocabulary"]:
        """Logits of the next tokens."""
        found = self.language_model(
            inputs_embeds=self._inputs(memory, tokens), logits_to_keep=tokens.shape[1], use_cache=False
        )
        logits: Tensor = found.logits
        return logits

    @torch.no_grad()
    def generate(self, memory: Float[Tensor, "n d"], settings: "GenerationConfig") -> Int[Tensor, "n t"]:
        """Tokens after the start."""
        start = torch.full((len(memory), 1), self.start, device=memory.device)
        inputs = self._inputs(memory, start)
        with warnings.catch_warnings():
            # That n-grams of the prompt are not looked at is as it should be: soft tokens have none.
            warnings.filterwarnings("ignore", message="Passing `no_repeat_ngram_size`")
            found: Tensor = self.language_model.generate(
                inputs_embeds=inputs,
                attention_mask=torch.ones(inputs.shape[:2], dtype=torch.long, device=memory.device),
                generation_config=settings,
            )
        return found

    def _inputs(self, memory: Float[Tensor, "n d"], tokens: Int[Tensor, "n t"]) -> Float[Tensor, "n k_plus_t width"]:
        soft = self.scale * self.norm(self.map(memory))
        return torch.cat([soft, self.language_model.get_input_embeddings()(tokens)], 1)
