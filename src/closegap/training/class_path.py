"""Classes of libraries that the config of training names by import path."""

import inspect
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from closegap.errors import UsageError
from closegap.runs.training import ByClassPath


def class_of(key: str, named: ByClassPath) -> type:
    """The class, with every argument that is given for it known to take it.

    Args:
        key: of the config, for messages.
        named: its import path, and arguments.

    Raises:
        UsageError: it cannot be imported, is no class, or takes no such argument.
    """
    path = named["class_path"]
    module, _, name = path.rpartition(".")
    if module.partition(".")[0] in sys.stdlib_module_names:
        raise UsageError(
            f"{key}: class_path {path!r} is of Python's own library; expected a class of torch or a package"
        )
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"{key}: class_path {path!r} cannot be imported ({error}); expected package.module.Class"
        ) from error
    if not isinstance(kind, type):
        raise UsageError(f"{key}: {path} is no class; expected package.module.Class")
    parameters = _parameters(kind)
    strange = [name for name in named.get("init_args", {}) if not _takes(kind, name)]
    if strange:
        raise UsageError(f"{key}: {path} takes no {strange[0]!r}; it takes {', '.join(parameters)}")
    return kind


def call_with(key: str, kind: type, named: ByClassPath, offered: Mapping[str, Any], *first: Any) -> Any:
    """An instance: the arguments that are given for it win over those that are offered to a class that takes them.

    Args:
        key: of the config, for messages.
        kind: what `class_of` returned.
        named: its arguments.
        offered: name to value, passed where the class names it.
        first: positional arguments.

    Raises:
        UsageError: the class refuses them.
    """
    parameters = _parameters(kind)
    arguments = {name: value for name, value in offered.items() if name in parameters}
    try:
        return kind(*first, **(arguments | named.get("init_args", {})))
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise UsageError(f"{key}: {named['class_path']} refuses its arguments ({error}); see `init_args`") from error


def _takes(kind: type, name: str) -> bool:
    parameters = _parameters(kind).values()
    return any(parameter.name == name or parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def _parameters(kind: type) -> Mapping[str, inspect.Parameter]:
    """What the constructor takes by name; nothing of a class in C that does not say."""
    try:
        return inspect.signature(kind).parameters
    except ValueError:
        return {}
