"""Causal language models: by name, from a local folder, or small and from scratch."""

from typing import Any, Literal

from closegap.caption.tokenizer import CaptionTokenizer
from closegap.errors import UsageError, needs
from closegap.models.pretrained import expect_plain_config, from_transformers

Architecture = Literal["gpt2", "bert"]


def small_language_model(
    tokenizer: CaptionTokenizer,
    architecture: Architecture,
    layers: int,
    width: int,
    heads: int,
    dropout: float,
    prefix: int = 0,
    cross_attention: bool = False,
) -> Any:
    """A language model with random weights.

    Args:
        tokenizer: gives the vocabulary and the longest caption.
        architecture: of transformers.
        layers: number of layers.
        width: of its states; a multiple of `heads`.
        heads: attention heads.
        dropout: share of units dropped in training.
        prefix: places before the caption.
        cross_attention: whether each layer attends to a memory.
    """
    with needs("text"):
        from transformers import BertConfig, BertLMHeadModel, GPT2Config, GPT2LMHeadModel

    if width % heads:
        raise UsageError(f"objective.decoder: width {width} is no multiple of {heads} heads; change one")
    ids: dict[str, Any] = {
        "bos_token_id": tokenizer.start,
        "eos_token_id": tokenizer.end,
        "pad_token_id": tokenizer.pad,
    }
    places = prefix + tokenizer.max_tokens + 2
    if architecture == "gpt2":
        gpt2 = GPT2Config(
            vocab_size=tokenizer.size,
            n_positions=places,
            n_embd=width,
            n_layer=layers,
            n_head=heads,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=0.0,
            add_cross_attention=cross_attention,
            **ids,
        )
        return GPT2LMHeadModel(gpt2)
    bert = BertConfig(
        vocab_size=tokenizer.size,
        max_position_embeddings=places,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=0.0,
        is_decoder=True,
        add_cross_attention=cross_attention,
        **ids,
    )
    return BertLMHeadModel(bert)


def named_language_model(name: str, tokenizer: CaptionTokenizer, cross_attention: bool = False) -> Any:
    """A pretrained language model; an encoder such as BERT becomes a decoder, with new cross-attention if asked for.

    Args:
        name: a hub name or a local directory; `package:<package>/<folder>` names one inside an installed package.
        tokenizer: has to be the model's own.
        cross_attention: whether each layer attends to a memory.

    Raises:
        ClosegapError: there is no such model, or it comes with code or pickled weights.
        UsageError: a tokenizer with more tokens than the model knows, or a model that cannot attend to a memory.
    """
    with needs("text"):
        from transformers import AutoConfig, AutoModelForCausalLM

    advice = "give a local directory with config and weights, or leave the name out for a small one from scratch"
    with from_transformers("decoder", name, advice) as (place, options):
        expect_plain_config(place, options)
        config: Any = AutoConfig.from_pretrained(place, **options)
        config.is_decoder = True
        if cross_attention:
            config.add_cross_attention = True
        model: Any = AutoModelForCausalLM.from_pretrained(place, config=config, use_safetensors=True, **options)
    known = model.get_input_embeddings().num_embeddings
    if tokenizer.size > known:
        raise UsageError(
            f"decoder {name!r} knows {known} tokens, the tokenizer has {tokenizer.size}; "
            "name the decoder's own with objective.tokenizer"
        )
    if cross_attention and not any("cross" in part for part, _ in model.named_parameters()):
        raise UsageError(f"decoder {name!r}: its architecture has no cross-attention; use BERT, GPT-2 or a prefix")
    return model
