"""API keys: what is kept of them says who may do what, and not what they are."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

from closegap.disk import writing
from closegap.errors import DataError, UsageError
from closegap.files import write_text
from closegap.lock import locked
from closegap.search.checks import name_problem

Role: TypeAlias = Literal["reader", "writer", "admin"]
"""Who may ask; who may also delete; who may also purge and see metrics."""

ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Key:
    """What is kept of a key.

    Args:
        id: part of the key, which is no secret.
        name: whose it is.
        role: what it may do.
        salt: hex.
        hash: hex, of the key's secret with the salt; 256 random bits are not found by trying.
        made: when, in UTC.
    """

    id: str
    name: str
    role: Role
    salt: str
    hash: str
    made: str

    def may(self, role: Role) -> bool:
        """Whether it may do what a role may.

        Example:
            >>> Key("1", "ward 3", "writer", "", "", "").may("reader")
            True
        """
        return ROLES.index(self.role) >= ROLES.index(role)


NOBODY = Key("", "", "reader", "00" * 16, "00" * 32, "")


class Keys:
    """The keys of a file, read again when it changes.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state: tuple[int, ...] = ()
        self._keys: Mapping[str, Key] = {}

    def of(self, given: str) -> Key | None:
        """The key that a client presents; None for none of the file's.

        Raises:
            DataError: the file cannot be read.
        """
        mark, _, rest = given.partition("_")
        id, _, secret = rest.partition("_")
        found = self.all().get(id, NOBODY)
        same = compare_digest(_hash(secret, found.salt), found.hash)
        return found if mark == "cg" and same and found is not NOBODY else None

    def all(self) -> Mapping[str, Key]:
        """Those that are there now, by id."""
        try:
            found = self.path.stat()
            state = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
            if state != self._state:
                self._keys = read_keys(self.path)
                self._state = state
        except OSError as error:
            raise DataError(
                f"{self.path}: cannot be read ({error.strerror}); make keys with `closegap keys make`"
            ) from None
        return self._keys


def make_key(path: Path, name: str, role: Role) -> str:
    """A new key, which is nowhere kept; the file knows it from now on.

    Raises:
        UsageError: a name that is none.
        DataError: the file is damaged.
    """
    if problem := name_problem(name):
        raise UsageError(f"--name {problem}; say whose key it is")
    with _changing(path):
        held = read_keys(path) if path.exists() else {}
        id, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(32), secrets.token_hex(16)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        _write(path, {**held, id: Key(id, name, role, salt, _hash(secret, salt), made)})
    return f"cg_{id}_{secret}"


def revoke_key(path: Path, id: str) -> Key:
    """Forget a key; whoever presents it is refused from now on.

    Raises:
        UsageError: no such key.
        DataError: the file is damaged.
    """
    with _changing(path):
        held = dict(read_keys(path))
        if id not in held:
            raise UsageError(f"{path}: no key {id[:40]!r}; see `closegap keys list`")
        found = held.pop(id)
        _write(path, held)
    return found


def read_keys(path: Path) -> dict[str, Key]:
    """The keys of a file by id.

    Raises:
        UsageError: no such file.
        DataError: a damaged one.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no file of keys; make one with `closegap keys make`")
    try:
        found = [
            Key(**cast(Any, {name: str(value) for name, value in one.items()}))
            for one in json.loads(path.read_text("utf-8"))
        ]
        if any(key.role not in ROLES or len(key.hash) != 64 or not bytes.fromhex(key.salt) for key in found):
            raise ValueError("a role, a salt or a hash is none")
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: damaged ({type(error).__name__}); take it from a backup") from error
    return {key.id: key for key in found}


def _hash(secret: str, salt: str) -> str:
    content = secret.encode(errors="replace")
    return hashlib.blake2b(content, salt=bytes.fromhex(salt), person=b"closegap-api-key", digest_size=32).hexdigest()


def _write(path: Path, keys: Mapping[str, Key]) -> None:
    with writing(path):
        write_text(path, json.dumps([asdict(key) for key in keys.values()], indent=1) + "\n")
        path.chmod(0o600)


def _changing(path: Path) -> AbstractContextManager[None]:
    return locked(path.resolve().parent, "keys")
