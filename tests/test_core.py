"""The core alone, without the libraries that extras bring: what works there, and what names the extra it lacks."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

# Stands in for an environment where only the core is installed: no extra's library can be imported.
_CORE_ALONE = """
import sys

ABSENT = {"accelerate", "av", "bert_score", "datasets", "PIL", "plotly", "pycocoevalcap", "ray", "tensorboard", "timm",
          "tokenizers", "torchvision", "transformers", "wandb"}


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())
"""

_LACKING = """
from closegap.cli import main

for command in (["train", "--config", "config.yaml"], ["demo", "--out", "demo"]):
    print("exit", main(command), flush=True)
"""

_AUDIT = """
from closegap.cli import main

options = ["--posthoc", "shift", "--in-sample", "--resamples", "20"]
print("exit", main(["audit", "image.npy", "text.npy", *options, "--out", "audit"]))
"""

_POSTHOC = """
import numpy as np, torch
from pathlib import Path
from closegap import EmbeddingSet
from closegap.cli import main

rows = {name: torch.nn.functional.normalize(torch.tensor(np.load(f"{name}.npy")), dim=1) for name in ("image", "text")}
for name, half in (("train", slice(0, 30)), ("test", slice(30, 60))):
    ids = [f"{name} {row}" for row in range(30)]
    EmbeddingSet({key: value[half] for key, value in rows.items()}, ids).save(Path(f"{name}.safetensors"))
print(main(["posthoc", "fit", "--method", "shift", "--train", "train.safetensors", "--out", "shift.safetensors"]))
print(main(["posthoc", "apply", "shift.safetensors", "test.safetensors", "--out", "moved.safetensors"]))
"""

_MODULES = """
import json
from importlib import import_module
from pkgutil import walk_packages

import closegap
from closegap.errors import MissingExtraError

found = {}
for module in walk_packages(closegap.__path__, "closegap.", onerror=lambda name: None):
    if module.name.startswith("closegap.losses.kernels"):
        continue  # Triton comes with torch, or not
    try:
        import_module(module.name)
        found[module.name] = ""
    except MissingExtraError as error:
        found[module.name] = str(error)
print(json.dumps(found))
"""

_LOOP = """
import torch
from closegap.losses import GapClosing

torch.manual_seed(0)
pairs = torch.randn(64, 16)
towers = {"image": torch.nn.Linear(16, 8), "report": torch.nn.Linear(16, 8)}
loss = GapClosing()
optimizer = torch.optim.Adam([weight for tower in towers.values() for weight in tower.parameters()], lr=0.01)
values = []
for step in range(50):
    embeddings = {name: torch.nn.functional.normalize(tower(pairs), dim=1) for name, tower in towers.items()}
    total = sum(loss(embeddings, {}, temperature=0.1, progress=step / 50).values())
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
    values.append(total.item())
print(values[0] > values[-1])
"""


_PARTS = {"lacking": _LACKING, "audit": _AUDIT, "posthoc": _POSTHOC, "loop": _LOOP, "modules": _MODULES}
_NEXT = """
for file in (sys.stdout, sys.stderr):
    print("next", file=file, flush=True)
"""


@dataclass(frozen=True)
class Core:
    """A process that has the core alone.

    Args:
        folder: where it worked.
        out: what each part of it printed.
        err: what each part of it printed to standard error.
    """

    folder: Path
    out: Mapping[str, str]
    err: Mapping[str, str]


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Core:
    """Everything in one process, since importing torch takes the longest."""
    folder = tmp_path_factory.mktemp("core")
    random = np.random.default_rng(0)
    image = random.normal(size=(60, 8)).astype(np.float32)
    np.save(folder / "image.npy", image)
    np.save(folder / "text.npy", image + random.normal(size=(60, 8)).astype(np.float32) + 0.5)
    (folder / "config.yaml").write_text("{}", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", _CORE_ALONE + _NEXT.join(_PARTS.values())],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    out, err = (dict(zip(_PARTS, text.split("next\n"), strict=True)) for text in (done.stdout, done.stderr))
    return Core(folder, out, err)


def test_every_module_imports_or_names_the_extra_it_needs(core: Core) -> None:
    found: dict[str, str] = json.loads(core.out["modules"])
    missing = {name: message for name, message in found.items() if message}
    assert all(" is not installed; pip install 'closegap[" in message for message in missing.values())
    assert missing["closegap.models.towers.timm"].endswith(" is not installed; pip install 'closegap[image]'")
    assert missing["closegap.models.towers.transformers"] == (
        "transformers is not installed; pip install 'closegap[text]'"
    )
    assert re.search(r"pip install 'closegap\[(train|image)\]'$", missing["closegap.training.trainer"])
    light = ("embeddings", "losses", "metrics", "posthoc", "scores")
    assert not [name for name in missing if name.split(".")[1] in light]
    assert found["closegap.evaluation.audit"] == found["closegap.report.audit_page"] == ""


def test_arrays_are_audited_and_mended(core: Core) -> None:
    assert core.out["audit"].endswith("exit 0\n"), core.err["audit"]
    report = json.loads((core.folder / "audit" / "report.json").read_text(encoding="utf-8"))
    assert [arm["name"] for arm in report["arms"]] == ["original", "original + shift"]
    page = (core.folder / "audit" / "report.html").read_text(encoding="utf-8")
    assert "<table" in page
    assert "The figures of this section are not drawn: plotly is not installed; pip install" in page
    assert "Plotly.newPlot" not in page
    assert len(page) < 200_000  # no figures' numbers that nothing draws


def test_a_posthoc_method_is_fitted_and_applied(core: Core) -> None:
    assert core.out["posthoc"].splitlines()[-1] == "0", core.err["posthoc"]
    assert (core.folder / "moved.safetensors").is_file()


def test_a_loop_of_ones_own_trains_with_the_losses(core: Core) -> None:
    assert core.out["loop"] == "True\n", core.err["loop"]


def test_commands_name_the_extra_they_lack_in_one_line(core: Core) -> None:
    assert core.out["lacking"] == "exit 1\nexit 1\n"
    lines = core.err["lacking"].splitlines()
    assert len(lines) == 2, lines
    for line in lines:
        assert re.fullmatch(r"closegap: \w+ is not installed; pip install 'closegap\[(train|image)\]'", line)
