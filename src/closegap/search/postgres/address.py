"""Where an index lies in a PostgreSQL server, told by a URL, of which no password is ever shown."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode

from closegap.errors import UsageError, needs

with needs("postgres"):
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_VECTORS = ("float32", "float16")
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class Address:
    """A schema of a database.

    Args:
        conninfo: what libpq connects to; a secret.
        password: a secret, if there is one.
        shown: what messages say.
        schema: that keeps the index.
        vectors: their precision, or None for that of the index, float32 for a new one.
        hnsw: whether rows are found approximately, too; None for what the index does, False for a new one.
    """

    conninfo: str = field(repr=False)
    password: str = field(repr=False)
    shown: str
    schema: str
    vectors: str | None
    hnsw: bool | None

    @classmethod
    def of(cls, url: str) -> "Address":
        """What a URL of libpq says, and its further keys `schema`, `vectors` and `hnsw`.

        Raises:
            UsageError: it cannot be read; the message does not hold it.
        """
        base, _, query = url.partition("?")
        try:
            keys = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        except ValueError:
            raise _unreadable() from None
        schema, vectors, hnsw = keys.pop("schema", "closegap"), keys.pop("vectors", None), keys.pop("hnsw", None)
        rest = urlencode(keys, quote_via=quote)
        conninfo = f"{base}?{rest}" if rest else base
        try:
            known = conninfo_to_dict(conninfo)
        except ProgrammingError:
            raise _unreadable() from None
        host, port, name = (str(known.get(key) or "") for key in ("host", "port", "dbname"))
        if "@" in host + name or not (port or "0").replace(",", "").isdecimal():  # a / in a password cuts it in two
            raise _unreadable()
        if not _SCHEMA.fullmatch(schema):
            raise UsageError(f"schema={schema[:80]!r}: expected up to 63 small letters, digits and _; name another")
        if vectors is not None and vectors not in _VECTORS:
            raise UsageError(f"vectors={vectors[:80]!r}: expected {' or '.join(_VECTORS)}")
        if hnsw is not None and hnsw not in _TRUTHS:
            raise UsageError(f"hnsw={hnsw[:80]!r}: expected {' or '.join(_TRUTHS)}")
        shown = f"postgresql://{host or 'localhost'}{port and ':' + port}/{name}?schema={schema}"
        password = str(known.get("password") or "")
        return cls(conninfo, password, shown, schema, vectors, None if hnsw is None else _TRUTHS[hnsw])

    def __str__(self) -> str:
        return self.shown


def _unreadable() -> UsageError:
    return UsageError(
        "the address of a PostgreSQL server cannot be read; expected postgresql://user:password@host:port/database, "
        "with / ? @ : % in a password written as %2F %3F %40 %3A %25"
    )
