"""What transformers loads: classes of its own and weights that are no pickle, whatever a folder or a hub names."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from closegap.errors import ClosegapError, needs
from closegap.models.weights import locate

_CODE = "trust_remote_code"  # what transformers asks for where its own classes do not do
_PICKLED = "pytorch_model*.bin"
_NOWHERE = "neither a local folder nor on a reachable hub"


@contextmanager
def from_transformers(what: str, name: str, advice: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Stands around what loads a model or a tokenizer; gives the place to load from and the options to load with.

    Not to ask for trust is not enough: transformers would ask whoever sits at the terminal.

    Args:
        what: is loaded, for messages.
        name: a hub name or a local directory; `package:<package>/<folder>` names one inside an installed package.
        advice: what a person may give instead.

    Raises:
        ClosegapError: there is none, or it comes with code or with pickled weights; one line.
    """
    place = Path(locate(name))
    try:
        yield locate(name), {_CODE: False, "local_files_only": place.is_dir()}
    except (OSError, ValueError, SafetensorError) as error:
        reason = _unsafe(place, str(error))
        if reason is None:
            none = "the folder holds none that transformers can load" if place.is_dir() else _NOWHERE
            reason = f"{none}; {advice}"
        raise ClosegapError(f"{what} {name!r}: {reason}") from error


def expect_plain_config(name: str, options: Mapping[str, Any]) -> None:
    """Refuse a config that names code, on a hub, to compute attention with; transformers would fetch and run it.

    Args:
        name: the place that `from_transformers` gave.
        options: those that it gave.

    Raises:
        ClosegapError: it does.
    """
    with needs("text"):
        from transformers import PretrainedConfig

    config, _ = PretrainedConfig.get_config_dict(name, **options)
    _expect_no_code(f"{name}/config.json", config)


def expect_plain_configs(name: str, options: Mapping[str, Any]) -> None:
    """As `expect_plain_config`, of every config of a model in parts, as sentence-transformers writes it.

    Args:
        name: the place that `from_transformers` gave.
        options: those that it gave.

    Raises:
        ClosegapError: one of them names code.
    """
    with needs("text"):
        from huggingface_hub import snapshot_download

    folder = Path(name)
    if not folder.is_dir():
        folder = Path(snapshot_download(name, allow_patterns="*.json", local_files_only=options["local_files_only"]))
    for file in sorted(folder.rglob("*config*.json")):
        _expect_no_code(str(file), json.loads(file.read_text(encoding="utf-8")))


def _expect_no_code(file: str, config: Any) -> None:
    named = [key for key, value in _entries(config) if "implementation" in key and "/" in str(value)]
    if named:
        raise ClosegapError(f"{file}: names code to run ({named[0]}), which is never done; remove the key")


def _entries(config: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield key, value
            yield from _entries(value)


def _unsafe(folder: Path, said: str) -> str | None:
    """Why it is not loaded, where that is a matter of safety."""
    if _CODE in said:
        return "it needs code of its own, which is never run; give a model of an architecture that transformers has"
    if next(folder.glob(_PICKLED), None) is not None and next(folder.glob("*.safetensors"), None) is None:
        return "its weights are pickled, which are never read; save them again as model.safetensors"
    return None
