"""closegap cache: what is kept between runs, and how to be rid of it."""

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser

from closegap.cli.arguments import parse, verb_parser
from closegap.cli.verbs import VERBS
from closegap.errors import ClosegapError, UsageError

if TYPE_CHECKING:
    from closegap.data.cache import CacheEntry

_DESCRIPTION = """What is kept between runs, in $CLOSEGAP_CACHE or ~/.cache/closegap: features of towers, prepared
images, copies of images in Parquet files, digests of items that were found sound. It can all be computed again.

  closegap cache info
  closegap cache prune --older-than 30
  closegap cache prune --max-size 20G --yes
  closegap cache prune --tower 3f9a --yes

prune lists what would go, and deletes with --yes alone; while a command uses the cache it deletes nothing."""

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parser(action: str) -> ArgumentParser:
    """What an action takes."""
    found = verb_parser(f"cache {action}", _DESCRIPTION)
    if action == "prune":
        found.add_argument("--older-than", type=float | None, default=None, help="days since it was written")
        found.add_argument("--max-size", type=str | None, default=None, help="what may stay, as 500M or 20G")
        found.add_argument("--tower", type=str, nargs="+", default=[], help="names of entries, or how they begin")
        found.add_argument("--yes", action="store_true", help="delete what is listed")
    return found


def main(arguments: Sequence[str]) -> None:
    """Show the cache, or delete of it."""
    action, *rest = arguments or [""]
    if action in ("-h", "--help"):
        parse(verb_parser("cache info|prune", _DESCRIPTION), ["--help"])
    if action not in VERBS["cache"].actions:
        raise UsageError(f"cache '{action}': expected info or prune; see `closegap cache --help`")
    given = parse(parser(action), rest)
    from closegap.cli.console import say
    from closegap.data.cache import cache_entries, chosen_entries, prune_cache
    from closegap.data.memory import cache_folder

    found, now = cache_entries(), time.time()
    if action == "info":
        _list(found, now)
        say(f"{cache_folder()}: {len(found)} entries, {_size(sum(entry.size for entry in found))}")
        return
    if given.older_than is None and given.max_size is None and not given.tower:
        raise UsageError("--older-than, --max-size, --tower: none is given; say what may go")
    if given.older_than is not None and not given.older_than >= 0:
        raise UsageError(f"--older-than {given.older_than:g}: expected days, 0 or more")
    size = None if given.max_size is None else _bytes(given.max_size)
    _expect_entries(found, given.tower)
    going = chosen_entries(found, now, given.tower, given.older_than, size)
    _list(going, now)
    total = _size(sum(entry.size for entry in going))
    if given.yes and going:
        prune_cache(going)
    done = "deleted" if given.yes else "would go; add --yes to delete them"
    say(f"{cache_folder()}: {len(going)} of {len(found)} entries, {total}, {done}")


def _expect_entries(found: "Sequence[CacheEntry]", names: Sequence[str]) -> None:
    """Refuse a name that belongs to no entry."""
    for name in names:
        if not any(entry.is_named(name) for entry in found):
            there = ", ".join(entry.name for entry in found) or "nothing"
            raise ClosegapError(f"--tower '{name}': the cache has no such entry; it has {there}")


def _list(entries: "Sequence[CacheEntry]", now: float) -> None:
    from closegap.cli.console import say

    for entry in entries:
        say(f"{_size(entry.size):>10}  {(now - entry.written) / 86400:6.1f} days  {entry.what:<20}  {entry.name}")


def _size(size: float) -> str:
    """Bytes as a person reads them.

    Example:
        >>> _size(999), _size(3 * 2**20)
        ('999 B', '3.0 MiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"


def _bytes(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text)
    if found is None:
        raise UsageError(f"--max-size {text}: expected a number and K, M, G or T, as 20G")
    return float(found[1]) * _UNITS[found[2]]
