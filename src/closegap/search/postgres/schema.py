"""The tables of an index, made and brought up to date by numbered migrations."""

from typing import Any

from closegap.errors import DataError, UsageError, needs
from closegap.search.postgres.connections import Connections

with needs("postgres"):
    from psycopg import Connection, errors

_TYPES = {"float32": "vector", "float16": "halfvec"}
_SECRETS = ("id", "case_id", "group_id", "payload", "preview", "digest", "vector")
_QUIET = ", ".join(f"ALTER COLUMN {column} SET STATISTICS 0" for column in _SECRETS)  # ANALYZE copies none of them
_LEAST = (0, 8)  # of pgvector: iterative scans
_PLAIN_BYTES = 6000  # of vectors that are kept in their row's page, of 8 KB

ROWS_AND_STATE = """
CREATE TABLE state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one), next bigint NOT NULL, unpurged bigint NOT NULL,
    type text NOT NULL, hnsw boolean NOT NULL
);
INSERT INTO state VALUES (true, 0, 0, '{type}', {hnsw});
CREATE TABLE partitions (
    number integer PRIMARY KEY, name text COLLATE "C" UNIQUE NOT NULL, width integer NOT NULL, count bigint NOT NULL
);
CREATE TABLE rows (
    partition integer, place bigint, id text COLLATE "C" NOT NULL, case_id text COLLATE "C" NOT NULL,
    group_id text COLLATE "C" NOT NULL, payload jsonb NOT NULL, preview bytea NOT NULL, digest bytea NOT NULL,
    vector {type} NOT NULL, PRIMARY KEY (partition, place), UNIQUE (partition, id)
) PARTITION BY LIST (partition);
CREATE INDEX ON rows (case_id);
CREATE INDEX ON rows (group_id);
ALTER TABLE rows {quiet};
"""
CORRECTIONS = """
CREATE TABLE versions (version bigint PRIMARY KEY);
CREATE TABLE corrections (version bigint, name text COLLATE "C", content bytea NOT NULL, PRIMARY KEY (version, name));
ALTER TABLE corrections ALTER COLUMN name SET STATISTICS 0, ALTER COLUMN content SET STATISTICS 0;
"""
GRAPHS = """
ALTER TABLE partitions ADD COLUMN graphed bigint NOT NULL DEFAULT 0;
UPDATE partitions SET graphed = greatest(count, 1) WHERE to_regclass('rows_' || number || '_vector_idx') IS NOT NULL;
"""
MIGRATIONS = (ROWS_AND_STATE, CORRECTIONS, GRAPHS)


def migrate(connections: Connections, migrations: tuple[str, ...] = MIGRATIONS) -> None:
    """Make the tables, or bring those of an earlier version up to date: as a whole, once, whoever does so meanwhile.

    Raises:
        DataError: the schema holds something else, or tables of a later version.
        UsageError: pgvector is missing or old, or the role may not make tables.
    """
    address = connections.address
    with connections.bare() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"closegap {address.schema}"])
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
        except errors.UndefinedFile:
            raise UsageError(f"{address}: the server has no pgvector; install it there") from None
    connections.renew()
    with connections.bare() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"closegap {address.schema}"])
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{address.schema}"')
        version = _version(connection, address.schema)
        if version is None:
            held = connection.execute(
                "SELECT count(*) FROM pg_tables WHERE schemaname = %s", [address.schema]
            ).fetchone()
            if held != (0,):
                raise DataError(f"{address}: the schema has tables that are no index; name another")
            connection.execute("CREATE TABLE schema_version (version integer NOT NULL)")
            connection.execute("INSERT INTO schema_version VALUES (0)")
            version = 0
        _refuse_newer(version, connections)
        for text in migrations[version:]:
            hnsw, kind = str(bool(address.hnsw)).lower(), _TYPES[address.vectors or "float32"]
            connection.execute(text.format(type=kind, hnsw=hnsw, quiet=_QUIET))
        if version < len(migrations):
            connection.execute("UPDATE schema_version SET version = %s", [len(migrations)])


def check(connections: Connections) -> str:
    """The type of the vectors in the tables, after refusing what is no index, or another than the address says.

    Raises:
        UsageError: no index there, or one of other precision.
        DataError: tables of another version.
    """
    address = connections.address
    with connections.bare() as connection:
        version = _version(connection, address.schema)
        if version is None:
            raise UsageError(f"{address}: no index; build one, or name the schema of one")
        _refuse_newer(version, connections)
        if version < len(MIGRATIONS):
            raise DataError(
                f"{address}: version {version} of the tables, expected {len(MIGRATIONS)}; open it once to be written to"
            )
        row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
        if row is None or tuple(map(int, row[0].split(".")[:2])) < _LEAST:
            raise UsageError(f"{address}: pgvector {row and row[0]} there, expected at least 0.8; update the extension")
        encoding = connection.execute("SHOW server_encoding").fetchone()
        if encoding != ("UTF8",):
            raise UsageError(f"{address}: the database's encoding is {encoding and encoding[0]}, expected UTF8")
        found = connection.execute("SELECT type, hnsw FROM state").fetchone()
        assert found is not None
    kept = {name: kind for kind, name in _TYPES.items()}[found[0]]
    for key, wanted, there in (("vectors", address.vectors, kept), ("hnsw", address.hnsw, found[1])):
        if wanted is not None and wanted != there:
            raise UsageError(f"{address}: was made with {key}={str(there).lower()}; leave {key} out")
    return str(found[0])


def make_partition(connection: Connection[Any], name: str, width: int) -> int:
    """The number of a new partition; who reads is not kept waiting."""
    (kind,) = connection.execute("SELECT type FROM state").fetchone() or ("",)
    query = "INSERT INTO partitions SELECT coalesce(max(number), 0) + 1, %s, %s, 0, 0 FROM partitions RETURNING number"
    number = int((connection.execute(query, [name, width]).fetchone() or (0,))[0])
    table = f"rows_{number}"
    storage = "PLAIN" if width * (2 if kind == "halfvec" else 4) <= _PLAIN_BYTES else "EXTERNAL"
    connection.execute(f"""
        CREATE TABLE {table} (LIKE rows, CHECK (vector_dims(vector) = {width}));
        ALTER TABLE {table} ALTER COLUMN vector SET STORAGE {storage}, {_QUIET};
        ALTER TABLE rows ATTACH PARTITION {table} FOR VALUES IN ({number});
    """)
    return number


def _version(connection: Connection[Any], schema: str) -> int | None:
    there = connection.execute("SELECT to_regclass(%s)", [f'"{schema}".schema_version']).fetchone()
    if there == (None,):
        return None
    found = connection.execute("SELECT version FROM schema_version").fetchone()
    return int(found[0]) if found else None


def _refuse_newer(version: int, connections: Connections) -> None:
    if version > len(MIGRATIONS):
        raise DataError(
            f"{connections.address}: version {version} of the tables, expected {len(MIGRATIONS)}; "
            "use the closegap that made them"
        )
