"""closegap trail: whether a service's audit log is whole."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from closegap.cli.arguments import parse, verb_parser
from closegap.cli.verbs import VERBS
from closegap.errors import UsageError

_DESCRIPTION = """Whether the audit log of `closegap serve --log FILE` is as it was written: each line holds a keyed
hash of itself and of the line before it. The key lies beside the log, in FILE.key.

  closegap trail verify audit.jsonl
  closegap trail verify audit.jsonl --head 5d41402abc4b2a76b9719d911017c592...

Lines cut off at the end leave a log that is whole. Keep the hash that is printed elsewhere, and give it as --head
later: it has to be in the log still."""


def parser(action: str) -> ArgumentParser:
    """What an action takes."""
    found = verb_parser(f"trail {action}", _DESCRIPTION)
    found.add_argument("log", type=Path, help="the audit log")
    found.add_argument("--head", type=str | None, default=None, help="a hash that has to be in it")
    return found


def main(arguments: Sequence[str]) -> None:
    """Verify a log."""
    action, *rest = arguments or [""]
    if action in ("-h", "--help"):
        parse(verb_parser("trail verify", _DESCRIPTION), ["--help"])
    if action not in VERBS["trail"].actions:
        raise UsageError(f"trail '{action}': expected verify; see `closegap trail --help`")
    given = parse(parser(action), rest)
    from closegap.cli.console import say
    from closegap.search.service.trail import verify

    found = verify(given.log, given.head)
    say(f"{given.log}: {found.lines:,} lines, none changed; head {found.head}")
