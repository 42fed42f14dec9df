"""Erasing what was deleted: tables and their indexes are written anew without it."""

from closegap.search.postgres.connections import Connections
from closegap.search.postgres.graphs import drop_graph


def purge(connections: Connections) -> None:
    """Leave in the tables' files no byte of rows that are not there, nor of corrections but the newest.

    A table that is altered so that it must be rewritten keeps only what is there now, whatever others still look at;
    VACUUM FULL would copy what older snapshots, of any session of the database, might see. Privileges, policies and
    the table itself stay; graphs, which take longest, do not. Who reads waits meanwhile.

    Raises:
        ClosegapError: others did not stop using it for a minute, or the tables are another role's.
    """
    with connections.change() as connection:
        connection.execute("LOCK TABLE rows, versions, corrections IN ACCESS EXCLUSIVE MODE")
        for (number,) in connection.execute("SELECT number FROM partitions").fetchall():
            drop_graph(connection, number)
        for table in ("corrections", "versions"):
            connection.execute(f"DELETE FROM {table} WHERE version < (SELECT max(version) FROM versions)")
        connection.execute("ALTER TABLE corrections ALTER COLUMN content TYPE bytea USING content || ''::bytea")
        connection.execute("ALTER TABLE rows ALTER COLUMN digest TYPE bytea USING digest || ''::bytea")
        connection.execute("UPDATE state SET unpurged = 0")
