"""closegap keys: who may ask a service."""

from collections.abc import Callable, Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from closegap.cli.arguments import parse, verb_parser
from closegap.cli.verbs import VERBS
from closegap.errors import UsageError

_DESCRIPTION = """Keys of `closegap serve --keys FILE`. A key is printed once, when it is made; the file holds a salted
hash of it. A service sees a key that was made or revoked at its next request, without a restart.

  closegap keys make keys.json --name "ward 3" --role reader
  closegap keys list keys.json
  closegap keys revoke keys.json 3f2a9c10b4de

A reader asks; a writer also deletes cases; an admin also purges and sees metrics."""


def parser(action: str) -> ArgumentParser:
    """What an action takes."""
    found = verb_parser(f"keys {action}", _DESCRIPTION)
    found.add_argument("file", type=Path, help="the file of the keys")
    if action == "make":
        found.add_argument("--name", type=str, required=True, help="whose key it is; it stands in the audit log")
        found.add_argument("--role", type=str, default="reader", help="reader, writer or admin")
    if action == "revoke":
        found.add_argument("id", type=str, help="of `closegap keys list`")
    return found


def main(arguments: Sequence[str]) -> None:
    """Make, list or revoke keys."""
    action, *rest = arguments or [""]
    actions: dict[str, Callable[[Sequence[str]], None]] = {"make": _make, "list": _list, "revoke": _revoke}
    if action in ("-h", "--help"):
        parse(verb_parser(f"keys {'|'.join(VERBS['keys'].actions)}", _DESCRIPTION), ["--help"])
    if action not in actions:
        known = ", ".join(VERBS["keys"].actions)
        raise UsageError(f"keys '{action}': expected one of {known}; see `closegap keys --help`")
    actions[action](rest)


def _make(arguments: Sequence[str]) -> None:
    given = parse(parser("make"), arguments)
    from closegap.search.service.keys import ROLES, make_key

    if given.role not in ROLES:
        raise UsageError(f"--role {given.role}: expected one of {', '.join(ROLES)}")
    print(make_key(given.file, given.name, given.role))


def _list(arguments: Sequence[str]) -> None:
    given = parse(parser("list"), arguments)
    from closegap.cli.console import say
    from closegap.search.service.keys import read_keys

    for key in read_keys(given.file).values():
        say(f"{key.id}  {key.role:<6}  {key.made}  {key.name}")


def _revoke(arguments: Sequence[str]) -> None:
    given = parse(parser("revoke"), arguments)
    from closegap.cli.console import say
    from closegap.search.service.keys import revoke_key

    found = revoke_key(given.file, given.id)
    say(f"{given.file}: the key {found.id} of {found.name} is refused from now on")
