# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures a database and the two servers it is to move between; changes nothing and waits for nobody."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg

from ..domain.migration.preflight import Findings, ServerFindings
from ..errors import Unavailable
from ..odoo.tables import understood
from ..postgres.connection import Address, AsServer, AsTenant, one
from .empty_database import Shape, read_shape
from .replication_obstacles import obstacles

# Any lock that is waited for here would be somebody's ALTER TABLE.
_PATIENCE = ("SET lock_timeout = '2s'", "SET statement_timeout = '60s'")
_MODULE_TABLE = "public.ir_module_module"
_SERVER = """
SELECT current_setting('server_version_num')::int AS version, current_setting('wal_level') AS wal_level,
    current_setting('data_directory') AS data_directory,
    current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots) AS free_slots,
    current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication) AS free_senders,
    least(current_setting('max_logical_replication_workers')::int
        - (SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL),
        coalesce(current_setting('max_active_replication_origins', true), current_setting('max_replication_slots'))::int
        - (SELECT count(*) FROM pg_replication_origin_status)) AS free_workers,
    (SELECT jsonb_object_agg(name, setting::int) FROM pg_settings WHERE name IN ('max_replication_slots', 'max_wal_senders',
        'max_logical_replication_workers', 'max_active_replication_origins')) AS limits
"""
_SIZES = """
SELECT pg_database_size(current_database()) AS size_bytes, count(*) AS tables,
    coalesce(max(pg_table_size(c.oid)), 0) AS largest_table_bytes,
    count(*) FILTER (WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)) AS tables_without_key,
    (SELECT count(*) FROM pg_largeobject_metadata) AS large_objects
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_%'
    AND n.nspname NOT IN ('information_schema', 'saasodoo_migration')
    AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.relation = c.oid AND l.database = (SELECT oid FROM pg_database
        WHERE datname = current_database()) AND l.mode = 'AccessExclusiveLock')
"""
_WORK = """
SELECT (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()) AS prepared_transactions,
    (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
     AND datname = current_database()) AS longest_transaction_seconds,
    array(SELECT DISTINCT n.nspname || '.' || c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
          JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_stat_activity a ON a.pid = l.pid AND a.backend_type = 'client backend'
          WHERE l.mode = 'AccessExclusiveLock' AND l.granted AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1) AS altered
"""
# A new slot waits for what writes anywhere on its server, long before this was looked for or not.
_WRITING = """
SELECT format('%%s in %%s writes on server %%s for %%s s', usename, datname, %s::text,
    round(extract(epoch FROM clock_timestamp() - xact_start))) AS who
FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND datname <> %s AND xact_start < clock_timestamp() - interval '10 s'
ORDER BY xact_start
"""
# What the tenant's deputy can't read whole, so that it can't be dumped and compared.
_CLOSED = """
SELECT format('%I.%I', nspname, relname) AS title FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'm', 'S') AND relpersistence <> 't' AND nspname !~ '^pg_'
AND nspname NOT IN ('information_schema', 'saasodoo_migration')
AND (relforcerowsecurity AND relrowsecurity OR pg_get_userbyid(relowner) <> current_database())
AND (1259, c.oid) NOT IN (SELECT classid, objid FROM pg_depend WHERE deptype = 'e') ORDER BY 1
"""
# Who owns something in the database, or is granted something.
_ROLES = """
SELECT DISTINCT rolname AS role FROM pg_shdepend JOIN pg_roles r ON r.oid = refobjid
WHERE refclassid = 'pg_authid'::regclass AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
AND rolname <> current_database() || '__deputy' ORDER BY 1
"""
_MODULES = """
SELECT name::text, state::text FROM public.ir_module_module WHERE state IN ('to install', 'to upgrade', 'to remove')
ORDER BY state, name LIMIT 100
"""
# Names of the same locale differ in case and hyphens: en_US.UTF-8, en_US.utf8. ICU takes any name.
_LOCALE = """
SELECT 1 AS found FROM pg_collation WHERE collprovider = %(letter)s AND (%(letter)s = 'i'
    OR replace(lower(%(name)s), '-', '') IN (replace(lower(collname), '-', ''), replace(lower(collcollate), '-', '')))
UNION ALL SELECT 1 FROM pg_database WHERE %(name)s IN (datcollate, datctype)
"""
_LETTERS = {"libc": "c", "icu": "i", "builtin": "b"}


def measure(
    source: Address,
    target: Address,
    database: str,
    backup: Path,
    *,
    as_tenant: Callable[[], AbstractContextManager[AsTenant]],
    places: Mapping[str, int] = MappingProxyType({}),
) -> Findings:
    """Measure ``database`` on ``source``, which is to go to ``target``; its dump is to be below the folder ``backup``.

    ``as_tenant`` logs in to it as the tenant; ``places`` tells how many tenants each server takes, by name.
    Raises NotFound without such a database, Unavailable when a server does not answer, Conflict where the tenant has left its
    list of modules in no state to be read.
    """
    with _clear_errors():
        with source.connect() as server:
            of_source, _folder = _server(server, source.name, places)
            writing = _writing(server, source.name, database)
        shape = read_shape(source, database)
        with source.inside(database) as connection:
            contents, extensions = _contents(connection, as_tenant)
            closed = tuple(str(row["title"]) for row in connection.execute(_CLOSED))
            roles = [row["role"] for row in connection.execute(_ROLES)]
        with target.connect() as server:
            of_target, folder = _server(server, target.name, places)
            available = {row["name"] for row in server.execute("SELECT name FROM pg_available_extensions")}
            there = {database, *(row["rolname"] for row in server.execute("SELECT rolname FROM pg_roles"))}
            locale = missing_locale(server, shape)
            writing += _writing(server, target.name, database)
    return Findings(
        database=database,
        source=of_source,
        target=of_target,
        backup_free_bytes=_free(backup),
        backup_on_target_disk=_device(backup) is not None and _device(backup) == _device(folder),
        missing_extensions=tuple(name for name in extensions if name not in available),
        missing_locale=locale,
        missing_roles=tuple(name for name in roles if name not in there),
        writing=tuple(writing),
        closed=closed,
        **contents,
    )


def _contents(
    connection: AsServer, as_tenant: Callable[[], AbstractContextManager[AsTenant]]
) -> tuple[dict[str, Any], list[str]]:
    """Return what is found in the database, and its extensions."""
    for statement in _PATIENCE:
        connection.execute(statement)
    work = one(connection.execute(_WORK))
    altered = tuple(work.pop("altered"))
    found = {**work, **one(connection.execute(_SIZES)), "altered": altered}
    found["module_operation"] = "" if _MODULE_TABLE in altered or not _has_modules(connection) else _modules(as_tenant)
    found["unreplicable"] = tuple(obstacles(connection))
    extensions = connection.execute("SELECT extname FROM pg_extension ORDER BY 1")
    return found, [row["extname"] for row in extensions]


def _has_modules(connection: AsServer) -> bool:
    return connection.execute("SELECT to_regclass(%s) AS found", (_MODULE_TABLE,)).fetchone() != {"found": None}


def _modules(as_tenant: Callable[[], AbstractContextManager[AsTenant]]) -> str:
    """Say what Odoo is about to do with modules; it commits that before it begins, and takes it back when done."""
    with as_tenant() as connection, understood(f"{_MODULE_TABLE} can't be read by its own role"):
        return ", ".join(f"{row['name']} is {row['state']}" for row in connection.execute(_MODULES))


def _server(server: AsServer, name: str, places: Mapping[str, int]) -> tuple[ServerFindings, Path]:
    """Return the findings on a server and its data directory."""
    row = one(server.execute(_SERVER))
    folder = Path(row.pop("data_directory"))
    return ServerFindings(name=name, free_bytes=_free(folder), places=places.get(name, 0), **row), folder


def missing_locale(server: AsServer, shape: Shape) -> str:
    """Return the locale that a database of that shape needs and ``server`` does not know; '' when it knows all."""
    for name in dict.fromkeys((shape.collate, shape.ctype, shape.locale)):
        letter = _LETTERS[shape.provider] if name == shape.locale else "c"
        if name and name not in ("C", "POSIX") and not server.execute(_LOCALE, {"letter": letter, "name": name}).fetchone():
            return name
    return ""


def _writing(server: AsServer, name: str, database: str) -> list[str]:
    """Say who besides ``database`` has been writing for a while."""
    return [str(row["who"]) for row in server.execute(_WRITING, (name, database))]


def _free(folder: Path) -> int | None:
    """Return how many bytes are free where ``folder`` is, or is to be; None when that can't be seen from here."""
    try:
        return shutil.disk_usage(_existing(folder)).free
    except OSError:
        return None


def _device(folder: Path) -> int | None:
    try:
        return _existing(folder).stat().st_dev
    except OSError:
        return None


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise Unavailable("the database can't be measured now", found=" ".join(str(error).split())) from None
