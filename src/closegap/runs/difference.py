"""Whether two configs are one."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from jsonargparse import Namespace

from closegap.runs.config import config_text


def difference(there: Namespace, asked: Namespace) -> str | None:
    """The first key in which the config of a run and what is asked differ, in words; None where they are equal."""
    mine, given = (dict(_leaves(yaml.safe_load(config_text(config)))) for config in (there, asked))
    for key in sorted(mine.keys() | given.keys()):
        if mine.get(key) != given.get(key):
            return f"{key} is {mine.get(key)!r} there and {given.get(key)!r} in what is asked"
    return None


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key with its value."""
    if not isinstance(value, Mapping) or not value:
        yield key, value
        return
    for name, item in value.items():
        yield from _leaves(item, f"{key}.{name}" if key else str(name))
