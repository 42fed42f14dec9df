"""A CLIP so small that it is built for the tests, as transformers has it."""

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

hf: Any = import_module("transformers")
WORDS = ["a", "no", "of", "the", "and", "in", "left", "right", "chest", "lung", "mass", "nodule"]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
SEEN = {**SIZES, "image_size": 32, "patch_size": 16}
_CROPPED: dict[str, Any] = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}


def words(folder: Path, longest: int = 24) -> Any:
    """A tokenizer of whole words."""
    known = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *WORDS,
    ]
    (folder / "vocab.txt").write_text("\n".join(known), encoding="utf-8")
    return hf.BertTokenizer(vocab=str(folder / "vocab.txt"), model_max_length=longest)


def letters() -> Any:
    """CLIP's own tokenizer, of letters."""
    known = [
        "<|startoftext|>",
        "<|endoftext|>",
        *"abcdefghijklmnopqrstuvwxyz,",
        *(f"{c}</w>" for c in "abcdefghijklmnopqrstuvwxyz,"),
    ]
    return hf.CLIPTokenizer(vocab={token: n for n, token in enumerate(known)}, merges=[], model_max_length=20)


def clip(folder: Path) -> tuple[Any, Any, Any]:
    text = {**SIZES, "vocab_size": 60, "max_position_embeddings": 20, "bos_token_id": 0, "eos_token_id": 1}
    model = hf.CLIPModel(hf.CLIPConfig(projection_dim=12, text_config=text, vision_config=SEEN))
    return model, letters(), hf.CLIPImageProcessor(**_CROPPED)


def saved_clip(folder: Path) -> Path:
    """A folder as transformers publishes models."""
    torch.manual_seed(0)
    for part in clip(folder):
        part.save_pretrained(folder)
    return folder
