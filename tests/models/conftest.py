"""A BERT so small that it is built for the tests, and pictures to look at."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import BertConfig, BertModel, BertTokenizer
from transformers.utils import logging

WORDS = "a no of the and in left right chest ct lung mass ##es nodule normal effusion"


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as transformers publishes models: config, tokenizer, weights."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """A wide gradient, a tall one, and a black square."""
    gradient = Image.linear_gradient("L")
    images = [gradient.resize((90, 60)), gradient.resize((40, 80)), Image.new("L", (50, 50))]
    paths = [tmp_path / f"{number}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        image.save(path)
    return paths
