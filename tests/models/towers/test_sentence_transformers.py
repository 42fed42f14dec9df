"""Models of sentence-transformers: small ones of random weights, saved as that library does, give its own values."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.models.small_clip import saved_clip
from torch import Tensor

import closegap
from closegap.errors import ClosegapError, UsageError
from closegap.models import Model, SentenceTransformersImageEncoder, SentenceTransformersTextEncoder
from closegap.testing import check_encoder

library: Any = import_module("sentence_transformers")
modules: Any = import_module("sentence_transformers.models")
TEXTS = ["left lung mass", "normal", "see picture.png", "a nodule of the right lung " * 4]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP with a Dense layer behind it."""
    folder = tmp_path_factory.mktemp("st")
    transformer = modules.Transformer(str(saved_clip(tmp_path_factory.mktemp("clip"))))
    torch.manual_seed(1)
    own = library.SentenceTransformer(modules=[transformer, modules.Dense(12, 8)], device="cpu")
    own.save_pretrained(str(folder))
    return folder


def own_rows(folder: Path, pictures: list[Path]) -> dict[str, Tensor]:
    model = library.SentenceTransformer(str(folder), device="cpu")
    images = [Image.open(path).convert("RGB") for path in pictures]
    texts = [{"text": text} for text in TEXTS]
    found = {"image": model.encode(images, normalize_embeddings=True)}
    return {
        name: torch.as_tensor(rows)
        for name, rows in (found | {"text": model.encode(texts, normalize_embeddings=True)}).items()
    }


def test_embeddings_are_the_librarys_own(clip: Path, pictures: list[Path], tmp_path: Path) -> None:
    model = closegap.load(f"st:{clip}")
    own = own_rows(clip, pictures)
    for name, rows in model.embed(image=pictures, text=TEXTS).items():
        torch.testing.assert_close(rows, own[name], rtol=0, atol=1e-6)
    model.save_pretrained(tmp_path / "model")
    again = Model.from_pretrained(tmp_path / "model").embed(image=pictures, text=TEXTS)
    for name, rows in again.items():
        torch.testing.assert_close(rows, own[name], rtol=0, atol=1e-6)


def test_towers_hold(clip: Path, pictures: list[Path]) -> None:
    check_encoder(SentenceTransformersImageEncoder(str(clip), trained_blocks=1), pictures[:2])
    check_encoder(SentenceTransformersTextEncoder(str(clip), trained_blocks=None), TEXTS[:2])


def test_a_model_of_texts_has_no_image_tower(bert: Path, tmp_path: Path) -> None:
    own = library.SentenceTransformer(modules=[modules.Transformer(str(bert)), modules.Pooling(16)], device="cpu")
    own.save_pretrained(str(tmp_path))
    encoder = SentenceTransformersTextEncoder(str(tmp_path)).eval()
    with torch.no_grad():
        found = encoder(encoder.preparer()(TEXTS))
    torch.testing.assert_close(
        found, torch.as_tensor(own.encode(TEXTS[:2] + [{"text": t} for t in TEXTS[2:]])), rtol=0, atol=1e-6
    )
    with pytest.raises(UsageError, match="embeds text, expected image"):
        closegap.load(f"st:{tmp_path}")


def test_modules_of_strangers_are_not_imported(clip: Path, tmp_path: Path) -> None:
    said = json.loads((clip / "modules.json").read_text())
    (tmp_path / "modules.json").write_text(json.dumps([{**said[0], "type": "antigravity.Module"}]))
    with pytest.raises(ClosegapError, match="needs code of its own, which is never run"):
        closegap.load(f"st:{tmp_path}")


@pytest.mark.parametrize("part", ["config.json", "0_Transformer/sentence_bert_config.json"])
def test_a_config_that_names_code_is_refused(bert: Path, tmp_path: Path, part: str) -> None:
    """Transformers would fetch a kernel of that name from the hub and run it."""
    own = library.SentenceTransformer(modules=[modules.Transformer(str(bert)), modules.Pooling(16)], device="cpu")
    own.save_pretrained(str(tmp_path))
    file = tmp_path / part
    file.parent.mkdir(exist_ok=True)
    said = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**said, "model_args": {"attn_implementation": "someone/kernel"}}))
    with pytest.raises(ClosegapError, match=r"config\.json: names code to run \(attn_implementation\)"):
        SentenceTransformersTextEncoder(str(tmp_path))
