"""Names of a hub, from a real server: models of ours and of other libraries, commits, and the cache when it is gone."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.models.hub_server import SERVER, committed, serving
from tests.models.small_clip import saved_clip

import closegap
from closegap.models import Model, SmallTextEncoder

pytestmark = pytest.mark.skipif(
    SERVER is None or shutil.which("git") is None,
    reason="no git, or no server of a hub: no model is asked for by name; `make hub` sets one up",
)

TEXTS = ["left lung mass", "normal"]
NAMES = {
    "clinic/model": "clinic/model",
    "clinic/model@first": "clinic/model",
    "hf:clinic/clip": "clinic/clip",
    "open_clip:hf-hub:clinic/open-clip": "clinic/open-clip",
    "st:clinic/sentences": "clinic/sentences",
}
EMBED = """
import json, sys, closegap
from closegap.errors import ClosegapError
from huggingface_hub import snapshot_download
names, texts, downloaded = json.loads(sys.argv[1])
found = {}
for name in downloaded:
    snapshot_download(name)
for name in names:
    try:
        found[name] = closegap.load(name).embed(text=texts)["text"].tolist()
    except ClosegapError as error:
        found[name] = str(error)
try:
    closegap.load("clinic/model").push_to_hub("clinic/new", token="hf_none")
except ClosegapError as error:
    found["push"] = str(error)
print(json.dumps(found))
"""


def model(seed: int) -> Model:
    torch.manual_seed(seed)
    return Model({name: SmallTextEncoder(dim=16, heads=2, buckets=64) for name in ("image", "text")}, 8).eval()


def open_clip_saved(folder: Path) -> None:
    seen = {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16}
    read = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    said = {
        "model_cfg": {"embed_dim": 12, "vision_cfg": seen, "text_cfg": read},
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.4] * 3},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(said), encoding="utf-8")
    library: Any = import_module("open_clip")
    torch.manual_seed(0)
    made = library.create_model(f"local-dir:{folder}", load_weights=False)
    save_file(
        {name: tensor.clone() for name, tensor in made.state_dict().items()}, folder / "open_clip_model.safetensors"
    )


def sentences_saved(folder: Path, clip: Path) -> None:
    library: Any = import_module("sentence_transformers")
    modules: Any = import_module("sentence_transformers.models")
    library.SentenceTransformer(modules=[modules.Transformer(str(clip))], device="cpu").save_pretrained(str(folder))


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """Repositories, the first of two commits."""
    home = tmp_path / "models" / "clinic"
    for name in ("model", "clip", "open-clip", "sentences"):
        (home / name).mkdir(parents=True)
    for seed, tag in enumerate(("first", "second")):
        model(seed).save_pretrained(tmp_path / tag)
        shutil.copytree(tmp_path / tag, home / "model", dirs_exist_ok=True)
        committed(home / "model", tag)
    saved_clip(home / "clip")
    open_clip_saved(home / "open-clip")
    sentences_saved(home / "sentences", home / "clip")
    for name in ("clip", "open-clip", "sentences"):
        committed(home / name, "first")
    return tmp_path


def embedded(hub: Path, names: list[str], downloaded: Sequence[str] = (), **environment: str) -> dict[str, Any]:
    given = {**os.environ, "HF_HOME": str(hub / "home"), **environment}
    command = [sys.executable, "-c", EMBED, json.dumps([names, TEXTS, downloaded])]
    done = subprocess.run(command, env=given, cwd=hub / "home", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_names_are_fetched_and_kept(hub: Path) -> None:
    (hub / "home").mkdir()
    fetched = ["clinic/model", "clinic/model@first", "open_clip:hf-hub:clinic/open-clip"]
    with serving(hub) as address:
        found = embedded(
            hub,
            [*fetched, "clinic/none", "clinic/model@none", "hf:clinic/none"],
            ["clinic/clip", "clinic/sentences"],
            HF_ENDPOINT=address,
        )
    for name in ("clinic/none", "clinic/model@none", "hf:clinic/none"):
        assert "clinic/none" in found[name] or "clinic/model@none" in found[name]
        assert "\n" not in found[name]
    assert found["push"].startswith("clinic/new: not uploaded (")
    kept = embedded(hub, list(NAMES), HF_HUB_OFFLINE="1")
    assert {name: kept[name] for name in fetched} == {name: found[name] for name in fetched}
    assert kept["clinic/model"] != kept["clinic/model@first"]
    for name, repository in NAMES.items():
        library, _, _ = name.rpartition(":")
        folder = hub / "first" if name.endswith("@first") else hub / "models" / repository
        own = closegap.load(f"{library.removesuffix(':hf-hub')}:{folder}" if library else folder)
        torch.testing.assert_close(torch.tensor(kept[name]), own.embed(text=TEXTS)["text"], msg=name)
