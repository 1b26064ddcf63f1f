# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a database needs to be replicated logically: a publication of its tables, and a key for each of them.

All that is made in the database is in the schema and the publication ``saasodoo_migration``. The schema travels with a dump
of the database, so that the copy knows just as well what is to be put back (``unpublish``).
Connections are the superuser's, to the database itself, in autocommit.
"""

from __future__ import annotations

import time

from psycopg import errors, sql

from ..errors import Conflict
from ..postgres.connection import Connection
from .schema_fingerprint import remember

#: The schema and the publication, in each database that moves.
MIGRATION = "saasodoo_migration"

# Everybody may read it: what a tenant's own dump can't read would make it fail.
_PREPARE = """
SELECT set_config('client_min_messages', 'warning', true);
CREATE SCHEMA IF NOT EXISTS saasodoo_migration;
CREATE TABLE IF NOT EXISTS saasodoo_migration.sentinel (token uuid PRIMARY KEY, written_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS saasodoo_migration.replica_identity
    (schema_name text, table_name text, was text NOT NULL, PRIMARY KEY (schema_name, table_name));
GRANT USAGE ON SCHEMA saasodoo_migration TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA saasodoo_migration TO PUBLIC;
"""
_THEIRS = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' AND c.relpersistence = 'p'"
# What PostgreSQL itself takes for a key of a replicated row (ALTER TABLE, REPLICA IDENTITY): a primary key that is not
# deferrable, or the index that was named.
_KEYLESS = f"""
SELECT n.nspname AS schema, c.relname AS name, CASE c.relreplident WHEN 'n' THEN 'NOTHING' ELSE 'DEFAULT' END AS was
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND {_THEIRS} AND c.relreplident <> 'f' AND NOT EXISTS (
    SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
    AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END)
ORDER BY 1, 2
"""
# Partitions are published with the table they belong to.
_TABLES = f"""
SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {_THEIRS} ORDER BY 1, 2
"""
_PUBLISHED = "SELECT 1 FROM pg_publication WHERE pubname = %s"
_REMEMBERED = """
SELECT schema_name AS schema, table_name AS name, was FROM saasodoo_migration.replica_identity
WHERE to_regclass(format('%I.%I', schema_name, table_name)) IS NOT NULL ORDER BY 1, 2
"""
_PREPARED = "SELECT to_regclass('saasodoo_migration.replica_identity') IS NOT NULL AS there"
_REMEMBER = "INSERT INTO saasodoo_migration.replica_identity VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
_FORGET = "DELETE FROM saasodoo_migration.replica_identity WHERE schema_name = %s AND table_name = %s"
# The lock on one table is needed for an instant, but who waits for it keeps all others waiting: so shortly, and several times.
_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', '300ms', true)"
_LONGEST_PAUSE = 2.0  # seconds in which all others go on
# The locks of a publication stop neither readers nor writers, only other changes of tables and VACUUM. PostgreSQL ends an
# automatic VACUUM for them, after deadlock_timeout (1 s).
_PATIENT_LOCK = "SELECT set_config('lock_timeout', '10s', true)"


def publish(database: Connection, *, patience: float = 60) -> None:
    """Publish all tables there are now, keys first: without them the tenant's own UPDATE and DELETE would fail.

    Tables made later are not published, so that one without a key does not trouble the tenant; the schema's fingerprint tells
    of them. Raises Conflict when a table stays locked for ``patience`` seconds. What is published already stays as it is.
    """
    if is_published(database):
        return
    database.execute(_PREPARE)
    for row in database.execute(_KEYLESS).fetchall():
        _set_identity(database, row, "FULL", (_REMEMBER, (row["schema"], row["name"], row["was"])), patience)
    with database.transaction():
        database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # what is remembered is what is published
        database.execute(_PATIENT_LOCK)
        tables = [sql.Identifier(row["schema"], row["name"]) for row in database.execute(_TABLES)]
        statement = sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(sql.Identifier(MIGRATION), sql.SQL(", ").join(tables))
        try:
            database.execute(statement)
        except errors.LockNotAvailable:
            raise Conflict("a table is locked, so the database can't be published", action="try again later") from None
        remember(database)


def is_published(database: Connection) -> bool:
    """Whether the publication is there; it is made last and at once."""
    return database.execute(_PUBLISHED, (MIGRATION,)).fetchone() is not None


def unpublish(database: Connection, *, patience: float = 60) -> None:
    """Take back all that ``publish`` did, here or in the database this one is a copy of.

    Subscriptions to it are to be dropped before. Raises Conflict when a table stays locked; then it can be called again.
    """
    if is_published(database):
        database.execute(sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(MIGRATION)))
    prepared = database.execute(_PREPARED).fetchone()
    if prepared and prepared["there"]:
        for row in database.execute(_REMEMBERED).fetchall():
            _set_identity(database, row, row["was"], (_FORGET, (row["schema"], row["name"])), patience)
    with database.transaction():
        database.execute("SELECT set_config('client_min_messages', 'warning', true)")
        database.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(MIGRATION)))


def _set_identity(
    database: Connection, row: dict[str, str], identity: str, note: tuple[str, tuple[str, ...]], patience: float
) -> None:
    """Set a table's replica identity and note it, both or neither."""
    table = sql.Identifier(row["schema"], row["name"])
    end, pause = time.monotonic() + patience, 0.2
    while True:
        try:
            with database.transaction():
                database.execute(_LOCK_TIMEOUT)
                database.execute(sql.SQL("ALTER TABLE {} REPLICA IDENTITY {}").format(table, sql.SQL(identity)))
                database.execute(*note)
        except errors.LockNotAvailable:
            if time.monotonic() > end:
                name = f"{row['schema']}.{row['name']}"
                why = f"table {name} has no key, and its replica identity can't be set to {identity.lower()}"
                raise Conflict(why, found=f"it is locked for more than {patience:g} s", action="try again later") from None
        else:
            return
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
