# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a database needs to be replicated logically: a publication of its tables, and a key for each of them.

All that is made in the database is the schema and the publication ``saasodoo_migration``. They are the superuser's: what has
that name and is not, is the tenant's, and nothing is done with it. No dump has the schema; the copy gets what it has to know to
put things back (``unpublish``) from ``prepare_copy``.
"""

from __future__ import annotations

import time

from psycopg import errors, sql

from ..errors import Conflict
from ..postgres.connection import AsServer, InUnfinished
from .schema_fingerprint import remember

#: The schema and the publication, in each database that moves.
MIGRATION = "saasodoo_migration"

# Everybody may look: a tenant's own dump is made of all that it sees.
_PREPARE = """
CREATE SCHEMA saasodoo_migration;
CREATE TABLE saasodoo_migration.sentinel (token uuid PRIMARY KEY, written_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE saasodoo_migration.replica_identity
    (schema_name text, table_name text, was text NOT NULL, PRIMARY KEY (schema_name, table_name));
GRANT USAGE ON SCHEMA saasodoo_migration TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA saasodoo_migration TO PUBLIC;
"""
_SCHEMA = "SELECT nspowner = (SELECT oid FROM pg_roles WHERE rolname = current_user) AS ours FROM pg_namespace WHERE nspname = %s"
# Owner, kind, columns and whatever could make a row call a function; the rest of a table calls none.
_FOUND = """
SELECT c.relname AS name, concat_ws(' ', pg_get_userbyid(c.relowner), c.relkind, (
    SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), pg_get_expr(adbin, adrelid)), ', '
        ORDER BY attnum) FROM pg_attribute a LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
    CASE WHEN relhastriggers OR relhasrules OR relhassubclass OR relrowsecurity THEN 'with more' END,
    (SELECT string_agg(conname, ' ') FROM pg_constraint WHERE conrelid = c.oid AND contype NOT IN ('p', 'n'))) AS definition
FROM pg_class c WHERE c.relnamespace = %s::regnamespace AND c.relkind <> 'i' ORDER BY 1
"""
_OURS = {
    "sentinel": "{} r token uuid, written_at timestamp with time zone now()",
    "replica_identity": "{} r schema_name text, table_name text, was text",
    "definitions": "{} r object text, digest text",
    "structure": "{} r object text, parts jsonb",
}
_THEIRS = """n.nspname NOT IN ('pg_catalog', 'information_schema', 'saasodoo_migration') AND n.nspname !~ '^pg_(toast|temp)'
    AND c.relpersistence = 'p'"""
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
_PUBLISHED = """
SELECT pg_get_userbyid(pubowner) AS owner, pubowner = (SELECT oid FROM pg_roles WHERE rolname = current_user) AS ours
FROM pg_publication WHERE pubname = %s
"""
_REMEMBERED = """
SELECT schema_name AS schema, table_name AS name, was FROM saasodoo_migration.replica_identity
WHERE to_regclass(format('%I.%I', schema_name, table_name)) IS NOT NULL ORDER BY 1, 2
"""
_REMEMBER = "INSERT INTO saasodoo_migration.replica_identity VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
_FORGET = "DELETE FROM saasodoo_migration.replica_identity WHERE schema_name = %s AND table_name = %s"
# The lock on one table is needed for an instant, but who waits for it keeps all others waiting: so shortly, and several times.
_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', '300ms', true)"
_LONGEST_PAUSE = 2.0  # seconds in which all others go on
# The locks of a publication stop neither readers nor writers, only other changes of tables and VACUUM. PostgreSQL ends an
# automatic VACUUM for them, after deadlock_timeout (1 s).
_PATIENT_LOCK = "SELECT set_config('lock_timeout', '10s', true)"


def publish(database: AsServer, *, patience: float = 60) -> None:
    """Publish all tables there are now, keys first: without them the tenant's own UPDATE and DELETE would fail.

    Tables made later are not published, so that one without a key does not trouble the tenant; the schema's fingerprint tells
    of them. Raises Conflict when a table stays locked for ``patience`` seconds, or something of the tenant's has the name of
    what is made here. What is published already stays as it is.
    """
    if is_published(database):
        return
    if not is_prepared(database):
        database.execute(_PREPARE)
    for row in database.execute(_KEYLESS).fetchall():
        _set_identity(database, row, "FULL", (_REMEMBER, (row["schema"], row["name"], row["was"])), patience)
    with database.transaction():
        database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # what is remembered is what is published
        database.execute(_PATIENT_LOCK)
        tables = [sql.Identifier(row["schema"], row["name"]) for row in database.execute(_TABLES)]
        tables.append(sql.Identifier(MIGRATION, "sentinel"))
        statement = sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(sql.Identifier(MIGRATION), sql.SQL(", ").join(tables))
        try:
            database.execute(statement)
        except errors.LockNotAvailable:
            raise Conflict("a table is locked, so the database can't be published", action="try again later") from None
        remember(database)


def is_published(database: AsServer) -> bool:
    """Whether the publication is there; it is made last and at once. Raises Conflict where one is there that is not ours."""
    found = database.execute(_PUBLISHED, (MIGRATION,)).fetchone()
    if found and not found["ours"]:
        raise _not_ours("publication", f"owned by {found['owner']}")
    if found:
        is_prepared(database)
    return found is not None


def is_prepared(database: AsServer) -> bool:
    """Whether our schema is there, and nothing in it but what we have made. Raises Conflict otherwise."""
    found = database.execute(_SCHEMA, (MIGRATION,)).fetchone()
    if found is None:
        return False
    if not found["ours"]:
        raise _not_ours("schema", "owned by another role")
    _check_contents(database)
    return True


def _check_contents(database: AsServer) -> None:
    """Raise Conflict where there is more in our schema than we have made, or it is not as we have made it."""
    for row in database.execute(_FOUND, (MIGRATION,)):
        if row["definition"] != _OURS.get(row["name"], "").format(database.info.user):
            raise _not_ours(f"table {row['name']} of schema", row["definition"])


def _not_ours(what: str, found: str) -> Conflict:
    action = "look at what it is, drop or rename it as its owner, and try again"
    return Conflict(f"{what} {MIGRATION} is not the platform's", found=found, expected="what the platform makes", action=action)


def prepare_copy(source: AsServer, copy: InUnfinished) -> None:
    """Make our schema in a database that ``source`` is about to be loaded into, with what ``unpublish`` needs to know there."""
    copy.execute(_PREPARE)
    if is_prepared(source):
        for row in source.execute("SELECT * FROM saasodoo_migration.replica_identity"):
            copy.execute(_REMEMBER, (row["schema_name"], row["table_name"], row["was"]))


def unpublish(database: AsServer, *, patience: float = 60) -> None:
    """Take back all that ``publish`` did, here or in the database this one is a copy of.

    Subscriptions to it are to be dropped before. Raises Conflict when a table stays locked; then it can be called again. What
    has our names and is not ours stays.
    """
    published = database.execute(_PUBLISHED, (MIGRATION,)).fetchone()
    if published and published["ours"]:
        database.execute(sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(MIGRATION)))
    prepared = database.execute(_SCHEMA, (MIGRATION,)).fetchone()
    if prepared and prepared["ours"]:
        _check_contents(database)
        for row in database.execute(_REMEMBERED).fetchall():
            _set_identity(database, row, row["was"], (_FORGET, (row["schema"], row["name"])), patience)
        with database.transaction():
            database.execute("SELECT set_config('client_min_messages', 'warning', true)")
            database.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(MIGRATION)))


def _set_identity(
    database: AsServer, row: dict[str, str], identity: str, note: tuple[str, tuple[str, ...]], patience: float
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
