"""Models of strangers: what comes with code or a pickle is refused in a line, and nobody is asked to agree."""

import io
import json
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from closegap.caption.language_model import named_language_model
from closegap.caption.tokenizer import CaptionTokenizer
from closegap.errors import ClosegapError, UsageError
from closegap.metrics.captions.bert import bert_score
from closegap.models import TransformersTextEncoder

_CODE = "from transformers import BertModel, BertConfig, BertTokenizer\nopen({canary!r}, 'w').close()\n"
_OWN = {"AutoConfig": "evil.BertConfig", "AutoModel": "evil.BertModel", "AutoModelForCausalLM": "evil.BertModel"}
_NEVER = "it needs code of its own, which is never run; give a model of an architecture that transformers has"


class Thief:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return exec, (f"open({str(self.canary)!r}, 'w').close()",)


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once a stranger's code has run; whoever asks at the terminal is told yes."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 99))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    return tmp_path / "canary"


@pytest.fixture
def model(bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bert, tmp_path / "bert"))


def change(file: Path, entries: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | entries), encoding="utf-8")


def loaders(folder: Path) -> dict[str, Callable[[], object]]:
    words = CaptionTokenizer.train(["a mass"], vocabulary=300)
    return {
        "text encoder": lambda: TransformersTextEncoder(str(folder)),
        "random text encoder": lambda: TransformersTextEncoder(str(folder), pretrained=False),
        "tokenizer": lambda: CaptionTokenizer.load(str(folder)),
        "decoder": lambda: named_language_model(str(folder), words),
    }


@pytest.mark.parametrize("what", ["text encoder", "random text encoder", "tokenizer", "decoder"])
def test_code_beside_a_model_is_refused_and_not_asked_about(
    model: Path, canary: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "evil.py").write_text(_CODE.format(canary=str(canary)), encoding="utf-8")
    change(model / "config.json", {"model_type": "evilbert", "auto_map": _OWN})
    tokenizer = {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": [None, "evil.BertTokenizer"]}}
    change(model / "tokenizer_config.json", tokenizer)
    with pytest.raises(ClosegapError) as caught:
        loaders(model)[what]()
    assert str(caught.value) == f"{what.removeprefix('random ')} {str(model)!r}: {_NEVER}"
    assert not canary.exists()
    assert "wish to run" not in "".join(capsys.readouterr())


def test_the_library_of_bert_score_is_given_no_code(model: Path, canary: Path) -> None:
    (model / "evil.py").write_text(_CODE.format(canary=str(canary)), encoding="utf-8")
    change(model / "config.json", {"model_type": "evilbert", "auto_map": _OWN})
    with pytest.raises(UsageError, match=r"config\.json: names code of its own \(auto_map\), which is never run"):
        bert_score(["a mass"], [["a mass"]], model)
    assert not canary.exists()


@pytest.mark.parametrize("what", ["text encoder", "decoder"])
@pytest.mark.parametrize("evil", [False, True])
def test_pickled_weights_are_not_read(model: Path, canary: Path, what: str, evil: bool) -> None:
    weights = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    if evil:
        (model / "pytorch_model.bin").write_bytes(pickle.dumps(Thief(canary)))
    else:
        torch.save(weights, model / "pytorch_model.bin")
    with pytest.raises(ClosegapError) as caught:
        loaders(model)[what]()
    reason = "its weights are pickled, which are never read; save them again as model.safetensors"
    assert str(caught.value) == f"{what} {str(model)!r}: {reason}"
    assert not canary.exists()


@pytest.mark.parametrize("what", ["text encoder", "decoder"])
def test_a_config_may_not_name_code_on_a_hub(model: Path, what: str) -> None:
    change(model / "config.json", {"attn_implementation": "someone/kernel"})
    with pytest.raises(ClosegapError, match=r"config\.json: names code to run \(attn_implementation\)"):
        loaders(model)[what]()
    change(model / "config.json", {"attn_implementation": "eager", "_attn_implementation_autoset": True})
    assert TransformersTextEncoder(str(model)).dim == 16
