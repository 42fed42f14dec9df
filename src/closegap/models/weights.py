"""Where weights come from: a name on a hub, a local path, or a file inside an installed package."""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from closegap.errors import ClosegapError, MissingExtraError, UsageError

_PACKAGE = "package:"
_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")


def locate(name: str) -> str:
    """The path that `package:<package>/<path inside it>` names; any other name as it is.

    Raises:
        UsageError: no name of a package.
        MissingExtraError: the package is not installed.
    """
    if not name.startswith(_PACKAGE):
        return name
    package, _, inside = name.removeprefix(_PACKAGE).partition("/")
    if not package.isidentifier():  # to find a package inside another, Python would import the latter
        raise UsageError(f"{name}: expected package:PACKAGE/PATH, with the name of an installed package")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(f"{package}, whose weights the config names,", "offline")
    return str(Path(spec.submodule_search_locations[0]) / inside)


def is_hub_name(name: str) -> bool:
    """Whether it reads as the name of a hub's repository: "organisation/name", or with "@" and a revision after it.

    Example:
        >>> is_hub_name("organisation/name@main"), is_hub_name("runs/a/model"), is_hub_name("./model")
        (True, False, False)
    """
    return _HUB.fullmatch(name) is not None


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors or a torch file; nothing but tensors is unpickled.

    Raises:
        ClosegapError: a missing or damaged file, or one that holds more than tensors.
    """
    if not path.is_file():
        raise ClosegapError(f"{path}: no such weights file; give a local checkpoint, or a name that the hub has")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ClosegapError(f"{path}: not a readable weights file ({_first_line(error)})") from error
    except UnpicklingError as error:
        raise ClosegapError(f"{path}: damaged, or more than tensors; save its state_dict as .safetensors") from error
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ClosegapError(f"{path}: expected a mapping from name to tensor; save the model's state_dict")
    return dict(state)


def load_state(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load the tensors of `path` into `module`, by name, or in order where all shapes but not the names agree.

    Raises:
        ClosegapError: the checkpoint belongs to another architecture; names the first tensor that does not fit.
    """
    own = module.state_dict()
    if state.keys() != own.keys():
        if [tensor.shape for tensor in state.values()] != [tensor.shape for tensor in own.values()]:
            strange = sorted(state.keys() ^ own.keys())
            raise ClosegapError(
                f"{path}: weights of another architecture ({len(strange)} names differ, {strange[0]} first)"
            )
        state = dict(zip(own, state.values(), strict=True))
    for name, tensor in own.items():
        if state[name].shape != tensor.shape:
            given, expected = tuple(state[name].shape), tuple(tensor.shape)
            raise ClosegapError(
                f"{path}: {name} has shape {given}, the model's is {expected}: weights of another model"
            )
    module.load_state_dict(state)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
