"""Which modules a config may import: those that it plainly names, and they are said before."""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import set_parsing_settings
from jsonargparse._common import parsing_settings

from closegap.errors import UsageError

_LOG = logging.getLogger(__name__)
_OURS = ("closegap", "torch", "torchvision", "timm", "transformers")
_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_CLASS = "class_path"
_PARTS = ("loss", "head", "temperature", "decoder", "kind")  # a class path may stand for the whole of them
_TOP_PARTS = ("data", "objective")


@contextmanager
def only_named_imports(
    layers: Sequence[Mapping[str, Any]], arguments: Sequence[str] = (), files: Sequence[Path] = ()
) -> Iterator[None]:
    """Parse in here, and no module is imported but closegap's, those of its towers, and those that are named.

    Those that the layers name are said in a line beforehand, unless they are imported already.

    Args:
        layers: what configs hold.
        arguments: of the command line; what a person typed is not said again.
        files: that the layers were read from; what lies in the folder of a run is not imported by its config.

    Raises:
        UsageError: a class of Python's own library, one that a run brings along, or something that is no class.
    """
    named = [found for layer in layers for found in _classes(layer, "")]
    typed = [found for option, value in _options(arguments) for found in _classes(value, option)]
    for key, path in (*named, *typed):
        if _top(path) in sys.stdlib_module_names:
            raise UsageError(
                f"{key}: class_path {path!r} is of Python's own library, which has no such part and is not imported"
            )
    for key, path in named:
        _expect_elsewhere(key, _top(path), files)
    modules = {path.rpartition(".")[0] for _, path in named if _top(path) not in _OURS}
    _say(tuple(sorted(modules - sys.modules.keys())))
    before = dict(parsing_settings)
    tops = {_top(path) for _, path in (*named, *typed)} - {"jsonargparse"}
    set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=sorted({*_OURS, *tops}))
    try:
        yield
    finally:
        parsing_settings.update(before)
    for key, path in (*named, *typed):
        module, _, name = path.rpartition(".")
        if not isinstance(getattr(sys.modules.get(module), name, object), type):
            raise UsageError(f"{key}: {path} is no class, and is not called; expected the import path of one")


def class_paths(value: Any) -> list[str]:
    """Every class that a part of a config names, at whatever depth: by `class_path`, or as the whole of a part."""
    return [path for _, path in _classes(value, "")]


@cache
def _say(modules: tuple[str, ...]) -> None:
    """Once in a process: a config is read more than once."""
    if modules:
        _LOG.warning("the config names classes outside closegap; importing %s", ", ".join(modules))


def _classes(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Dotted key and import path."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _classes(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _classes(item, key)
    elif isinstance(value, str) and _PATH.fullmatch(value) and _is_part(key.split(".")):
        yield key.removesuffix(f".{_CLASS}"), value


def _is_part(parts: Sequence[str]) -> bool:
    return (
        parts[-1] in (_CLASS, *_PARTS)
        or (len(parts) == 1 and parts[0] in _TOP_PARTS)
        or (len(parts) > 1 and parts[-2] == "encoders")
    )


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Dotted key and value of `--model.head X` and `--model.head=X`."""
    apart = [pair for pair in pairwise(arguments) if "=" not in pair[0]]
    joined = [(option, value) for option, found, value in (text.partition("=") for text in arguments) if found]
    for option, text in (*apart, *joined):
        if option.startswith("--") and option != "--config":
            try:
                yield option.removeprefix("--"), yaml.safe_load(text)
            except (yaml.YAMLError, ValueError, RecursionError):
                continue  # the parser says what is wrong with it


def _expect_elsewhere(key: str, top: str, files: Sequence[Path]) -> None:
    """Refuse a module that lies in the folder of a run whose config names it."""
    runs = [file.resolve().parent for file in files if _is_run(file.parent)]
    if not runs or top in sys.modules:
        return
    spec = find_spec(top)
    places = [] if spec is None else [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.origin else ())]
    for place in places:
        for run in runs:
            if Path(place).resolve().is_relative_to(run):
                raise UsageError(
                    f"{key}: {top} lies in the run's own folder ({run}), and a run's config does not import what comes "
                    "with it; if you trust it, put it elsewhere and name that place in PYTHONPATH"
                )


def _is_run(folder: Path) -> bool:
    return (folder / "environment.json").is_file() or (folder / "checkpoints").is_dir()


def _top(path: str) -> str:
    return path.partition(".")[0]
