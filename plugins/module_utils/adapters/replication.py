# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logical replication of one database to another server: slots, subscriptions, and whether what was written has arrived.

The publication is adapters.publication's. Connections are the superuser's, in autocommit; slots and subscriptions are dropped
from any database of their server except where said.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.postgres import Address
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.publication import MIGRATION
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import Connection
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import (
    Conflict,
    NotFound,
    PlatformError,
    TimedOut,
    Unavailable,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.waiting import Look, wait_until

#: How progress is told: figures by name.
Say = Callable[[dict[str, Any]], None]

_SLOT = """
SELECT active_pid, wal_status, active, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint AS behind
FROM pg_replication_slots WHERE slot_name = %s
"""
# A new slot waits for all transactions of the whole server that write.
_WRITING = """
SELECT string_agg(format('%s in %s for %s s', usename, datname, extract(epoch FROM now() - xact_start)::int), ', ') AS found
FROM (SELECT * FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start LIMIT 5) AS oldest
"""
_SUBSCRIPTION = """
SELECT s.oid, s.subenabled AS enabled, 'pg_' || s.oid AS origin FROM pg_subscription s
JOIN pg_database d ON d.oid = s.subdbid WHERE s.subname = %s AND d.datname = current_database()
"""
# The statement holds a password. None of these ever lets it out: not as a statement, not as a failed one, not as a slow or
# sampled one, not by the activity of a backend that crashes, not by pg_stat_statements.
_SILENT = """
SELECT set_config(name, value, true) FROM (VALUES ('log_statement', 'none'), ('log_min_error_statement', 'panic'),
    ('log_duration', 'off'), ('log_min_duration_statement', '-1'), ('log_min_duration_sample', '-1'),
    ('log_transaction_sample_rate', '0'), ('track_activities', 'off'), ('pg_stat_statements.track_utility', 'off'))
AS silent (name, value)
"""
_ERRORS = """
SELECT coalesce(sum(apply_error_count), 0)::bigint AS errors FROM pg_stat_subscription_stats t
JOIN pg_subscription s ON s.oid = t.subid JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()
"""
_STRAYS = """
SELECT 'slot' AS kind, slot_name AS name, coalesce(database, '') AS database FROM pg_replication_slots
WHERE slot_name LIKE 'saasodoo\\_%'
UNION ALL SELECT 'subscription', s.subname, d.datname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE s.subname LIKE 'saasodoo\\_%'
"""
_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
_PUBLICATIONS = """
SELECT 'publication' AS kind, pubname AS name FROM pg_publication WHERE pubname LIKE 'saasodoo\\_%'
UNION ALL SELECT 'schema', nspname FROM pg_namespace WHERE nspname LIKE 'saasodoo\\_%'
"""


@dataclass(frozen=True)
class Lag:
    """How far a slot's reader is behind, in bytes of the server's whole log, and whether somebody reads."""

    bytes: int
    active: bool
    wal_status: str


@dataclass(frozen=True, order=True)
class Stray:
    """Something of a migration on a server: kind slot, subscription, publication or schema, and the database it is of."""

    kind: str
    name: str
    database: str


@contextmanager
def create_slot_with_snapshot(address: Address, database: str, slot: str, *, timeout: float = 60) -> Iterator[str]:
    """Make a slot and yield the name of the snapshot it begins at, which others can use inside the block.

    A slot of that name is dropped before: its snapshot is gone. The slot stays. Raises TimedOut when a transaction on the
    server that writes does not end in ``timeout`` seconds, Unavailable when the server does not answer or dies.
    """
    with address.connect() as server:
        drop_slot(server, slot)
    # Nothing may end this connection while it idles with its snapshot.
    options = "-c idle_in_transaction_session_timeout=0 -c statement_timeout=0"
    try:
        connection = psycopg.connect(
            **address.parameters(database), replication="database", options=options, autocommit=True, row_factory=dict_row
        )
    except psycopg.OperationalError as error:
        raise Unavailable(f"server {address.name} takes no replication connection", found=_first(error)) from None
    with connection:
        yield _export(address, connection, slot, timeout)


def _export(address: Address, connection: Connection, slot: str, timeout: float) -> str:
    create = sql.SQL("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput (SNAPSHOT 'export')").format(sql.Identifier(slot))
    alarm = threading.Timer(timeout, connection.cancel)
    alarm.start()
    try:
        row = connection.execute(create).fetchone()
    except errors.QueryCanceled:
        raise _waits(address, timeout) from None
    except psycopg.OperationalError as error:
        raise Unavailable(f"server {address.name} makes no replication slot", found=_first(error)) from None
    finally:
        alarm.cancel()
    assert row is not None
    return str(row["snapshot_name"])


def _waits(address: Address, timeout: float) -> TimedOut:
    with address.connect() as server:
        row = server.execute(_WRITING).fetchone()
    what = f"server {address.name} made no replication slot in {timeout:g} s: it waits for transactions that write"
    return TimedOut(what, found=row and row["found"], action="try again when they have ended")


def create_slot(address: Address, database: str, slot: str, *, timeout: float = 60) -> None:
    """Make a slot without a snapshot, where there is none of that name. Raises as ``create_slot_with_snapshot`` does.

    It waits for all transactions on the server that write, also of others: do so before anybody is kept waiting, and
    ``subscribe`` from a later position.
    """
    with address.connect(database) as server:
        if server.execute(_SLOT, (slot,)).fetchone():
            return
        server.execute("SELECT set_config('statement_timeout', %s, false)", (f"{timeout:g}s",))
        try:
            server.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))
        except errors.QueryCanceled:
            raise _waits(address, timeout) from None


def drop_slot(server: Connection, slot: str, *, timeout: float = 20) -> None:
    """Drop a slot where there is one, and end who reads it. Raises TimedOut when that one does not go."""

    def dropped() -> Look:
        row = server.execute(_SLOT, (slot,)).fetchone()
        if row is None:
            return Look(True, "")
        if row["active_pid"]:
            server.execute("SELECT pg_terminate_backend(%s)", (row["active_pid"],))
        try:
            server.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
        except (errors.ObjectInUse, errors.UndefinedObject) as error:
            return Look(False, _first(error))
        return Look(True, "")

    wait_until(f"the end of slot {slot}", dropped, timeout=timeout, pause=0.02)


def lag(source: Connection, slot: str) -> Lag:
    """Return how far the reader of ``slot`` is behind. Raises NotFound without the slot, Conflict when its log is gone."""
    row = source.execute(_SLOT, (slot,)).fetchone()
    if row is None:
        raise NotFound(f"no replication slot {slot}")
    if row["wal_status"] == "lost":
        raise Conflict(
            f"replication slot {slot} has lost its log: its reader was too far behind",
            found="wal_status lost",
            action="raise max_slot_wal_keep_size if there is room on the disk, and begin again",
        )
    return Lag(int(row["behind"] or 0), bool(row["active"]), str(row["wal_status"]))


def subscribe(
    target: Connection, source: Address, database: str, slot: str, *, start: str | None = None, enabled: bool = True
) -> None:
    """Let the database that ``target`` is connected to follow ``database`` on ``source`` through ``slot``.

    The subscription has the slot's name. Nothing is copied: it begins where the slot does, or at ``start``, a later position
    (``durable_position``) before which all is there already. One that is there is enabled if it has to be, else left alone. One
    that was dropped must not be made again on the same slot: it would apply again what it had applied but not confirmed.
    Raises Unavailable or PlatformError, never with the password.
    """
    if not target.execute(_SUBSCRIPTION, (slot,)).fetchone():
        _create(target, source, database, slot)
    found = target.execute(_SUBSCRIPTION, (slot,)).fetchone()
    assert found is not None
    if start and not found["enabled"]:
        _begin_at(target, found["origin"], start)
    if enabled and not found["enabled"]:
        target.execute(sql.SQL("ALTER SUBSCRIPTION {} ENABLE").format(sql.Identifier(slot)))


def _create(target: Connection, source: Address, database: str, slot: str) -> None:
    statement = sql.SQL(
        "CREATE SUBSCRIPTION {name} CONNECTION {conninfo} PUBLICATION {publication} "
        "WITH (slot_name = {slot}, create_slot = false, copy_data = false, enabled = false)"
    ).format(
        name=sql.Identifier(slot),
        conninfo=sql.Literal(make_conninfo(**source.parameters(database))),
        publication=sql.Identifier(MIGRATION),
        slot=sql.Literal(slot),
    )
    try:
        with target.transaction():
            target.execute(_SILENT)
            target.execute(statement)
    except psycopg.Error as error:
        kind = Unavailable if isinstance(error, psycopg.OperationalError) else PlatformError
        found = _first(error).replace(source.password, "***")
        raise kind(f"can't subscribe to {database} on server {source.name}", found=found) from None


def _begin_at(target: Connection, origin: str, start: str) -> None:
    """Say that all before ``start`` is there: kept on the subscriber's side, it outlives a crash of either server."""
    row = target.execute("SELECT pg_replication_origin_progress(%s, false) AS reached", (origin,)).fetchone()
    if row is None or row["reached"] in (None, "0/0"):
        target.execute("SELECT pg_replication_origin_advance(%s, %s)", (origin, start))


def is_subscribed(target: Connection, name: str) -> bool:
    """Whether the database follows, or would if the other server answered."""
    found = target.execute(_SUBSCRIPTION, (name,)).fetchone()
    return bool(found and found["enabled"])


def unsubscribe(target: Connection, name: str) -> None:
    """Drop the subscription of this database where there is one; the other server need not live, its slot stays there."""
    if not target.execute(_SUBSCRIPTION, (name,)).fetchone():
        return
    for what in ("ALTER SUBSCRIPTION {} DISABLE", "ALTER SUBSCRIPTION {} SET (slot_name = NONE)", "DROP SUBSCRIPTION {}"):
        target.execute(sql.SQL(what).format(sql.Identifier(name)))


def durable_position(server: Connection) -> str:
    """Return a position in the server's log before which all commits seen so far are, and which a crash does not take back.

    What a subscription applies is committed without waiting for the disk.
    """
    with server.transaction():
        server.execute("SELECT set_config('synchronous_commit', 'on', true), pg_logical_emit_message(true, 'saasodoo', 'flush')")
    row = server.execute("SELECT pg_current_wal_flush_lsn()::text AS position").fetchone()
    assert row is not None
    return str(row["position"])


def write_sentinel(source: Connection) -> str:
    """Write a row that comes after all that was committed, and return what to wait for on the other side."""
    token = str(uuid.uuid4())
    source.execute("INSERT INTO saasodoo_migration.sentinel (token) VALUES (%s)", (token,))
    return token


def wait_for_sentinel(target: Connection, token: str, timeout: float, say: Say | None = None) -> None:
    """Wait until ``token`` has arrived, and with it all that was committed before. ``timeout`` in seconds. Raises TimedOut."""
    begin = time.monotonic()

    def arrived() -> Look:
        if target.execute("SELECT 1 FROM saasodoo_migration.sentinel WHERE token = %s", (token,)).fetchone():
            return Look(True, "")
        if say:
            say({"waiting_seconds": round(time.monotonic() - begin, 1)})
        row = target.execute(_ERRORS).fetchone()
        return Look(False, f"{row['errors'] if row else 0} errors of the subscription, which its server's log tells")

    wait_until("replication", arrived, timeout=timeout, pause=0.005)


def strays(open_database: Callable[..., AbstractContextManager[Connection]]) -> list[Stray]:
    """Return all that migrations made on a server; ``open_database`` connects to a database of it, ``postgres`` by default."""
    with open_database() as server:
        found = [Stray(**row) for row in server.execute(_STRAYS)]
        databases = [str(row["datname"]) for row in server.execute(_DATABASES)]
    for name in databases:
        with open_database(name) as database:
            found += [Stray(**row, database=name) for row in database.execute(_PUBLICATIONS)]
    return sorted(found)


def _first(error: psycopg.Error) -> str:
    return error.diag.message_primary or " ".join(str(error).split())
