# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logical replication of one database to another server: subscriptions, and whether what was written has arrived.

The publication is publication.py's, the slot replication_slot.py's. Connections are the superuser's, in autocommit;
subscriptions are dropped from their own database. They are the tenant's deputy's: a row that arrives is checked by whatever
constraints, defaults and indexes the tenant has made, and these run as the subscription's owner.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ..errors import Conflict, NotFound, PlatformError, Unavailable
from ..postgres.connection import Address, AsServer, one
from ..postgres.deputy import Deputy
from ..waiting import Look, wait_until
from .publication import MIGRATION

#: How progress is told: figures by name.
ProgressReport = Callable[[dict[str, Any]], None]

_SLOT = """
SELECT active_pid, wal_status, active, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint AS behind
FROM pg_replication_slots WHERE slot_name = %s
"""
_SUBSCRIPTION = """
SELECT s.oid, pg_get_userbyid(s.subowner) AS owner, s.subenabled AS enabled, 'pg_' || s.oid AS origin FROM pg_subscription s
JOIN pg_database d ON d.oid = s.subdbid WHERE s.subname = %s AND d.datname = current_database()
"""
# PostgreSQL 15 lets nobody but a superuser be given a subscription, but applies as whatever its owner is at the time. Nobody
# sees the deputy as one: it is over before the transaction is.
_HAND_OVER = """
ALTER ROLE {deputy} SUPERUSER;
ALTER SUBSCRIPTION {name} OWNER TO {deputy};
ALTER ROLE {deputy} NOSUPERUSER;
GRANT INSERT ON saasodoo_migration.sentinel TO {deputy}
"""
# From PostgreSQL 16 on it would apply as each table's owner, which for our own table is the superuser.
_AS_OWNER, _AS_TABLES_OWNER = ", run_as_owner = true", 160000
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
_ERRORS_OF = "SELECT coalesce(sum(apply_error_count), 0)::bigint AS errors FROM pg_stat_subscription_stats WHERE subname = %s"
_STRAYS = """
SELECT 'slot' AS kind, slot_name AS name, coalesce(database, '') AS database FROM pg_replication_slots
WHERE slot_name LIKE 'saasodoo\\_%'
UNION ALL SELECT 'subscription', s.subname, d.datname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE s.subname LIKE 'saasodoo\\_%'
"""
_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
_PUBLICATIONS = """
SELECT 'publication' AS kind, pubname AS name FROM pg_publication WHERE pubname = 'saasodoo_migration'
UNION ALL SELECT 'schema', nspname FROM pg_namespace WHERE nspname = 'saasodoo_migration'
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


def lag(source: AsServer, slot: str) -> Lag:
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
    target: AsServer, deputy: Deputy, source: Address, slot: str, *, start: str | None = None, enabled: bool = True
) -> None:
    """Let the ``deputy``'s database, which ``target`` is connected to, follow the one on ``source`` through ``slot``.

    What arrives is applied as the deputy. The subscription has the slot's name. Nothing is copied: it begins where the slot
    does, or at ``start``, a later position (``durable_position``) before which all is there already. One that is there is enabled
    if it has to be, else left alone. One that was dropped must not be made again on the same slot: it would apply again what it
    had applied but not confirmed.
    Raises Unavailable or PlatformError, never with the password.
    """
    before = target.execute(_SUBSCRIPTION, (slot,)).fetchone()
    if before is None or before["owner"] != deputy.name:
        deputy.ensure()
        with target.transaction():
            if before is None:
                _create(target, source, deputy.database, slot)
            target.execute(sql.SQL(_HAND_OVER).format(deputy=sql.Identifier(deputy.name), name=sql.Identifier(slot)))
    found = one(target.execute(_SUBSCRIPTION, (slot,)))
    if start and not found["enabled"]:
        _begin_at(target, found["origin"], start)
    if enabled and not found["enabled"]:
        target.execute(sql.SQL("ALTER SUBSCRIPTION {} ENABLE").format(sql.Identifier(slot)))


def _create(target: AsServer, source: Address, database: str, slot: str) -> None:
    statement = sql.SQL(
        "CREATE SUBSCRIPTION {name} CONNECTION {conninfo} PUBLICATION {publication} "
        "WITH (slot_name = {slot}, create_slot = false, copy_data = false, enabled = false{more})"
    ).format(
        name=sql.Identifier(slot),
        conninfo=sql.Literal(make_conninfo(**source.parameters(database))),
        publication=sql.Identifier(MIGRATION),
        slot=sql.Literal(slot),
        more=sql.SQL(_AS_OWNER if target.info.server_version >= _AS_TABLES_OWNER else ""),
    )
    try:
        with target.transaction():
            target.execute(_SILENT)
            target.execute(statement)
    except psycopg.Error as error:
        kind = Unavailable if isinstance(error, psycopg.OperationalError) else PlatformError
        found = first_words(error).replace(source.password, "***")
        raise kind(f"can't subscribe to {database} on server {source.name}", found=found) from None


def _begin_at(target: AsServer, origin: str, start: str) -> None:
    """Say that all before ``start`` is there: kept on the subscriber's side, it outlives a crash of either server."""
    row = target.execute("SELECT pg_replication_origin_progress(%s, false) AS reached", (origin,)).fetchone()
    if row is None or row["reached"] in (None, "0/0"):
        target.execute("SELECT pg_replication_origin_advance(%s, %s)", (origin, start))


def is_subscribed(target: AsServer, name: str) -> bool:
    """Whether the database follows, or would if the other server answered."""
    found = target.execute(_SUBSCRIPTION, (name,)).fetchone()
    return bool(found and found["enabled"])


def unsubscribe(target: AsServer, name: str) -> None:
    """Drop the subscription of this database where there is one; the other server need not live, its slot stays there."""
    if not target.execute(_SUBSCRIPTION, (name,)).fetchone():
        return
    for what in ("ALTER SUBSCRIPTION {} DISABLE", "ALTER SUBSCRIPTION {} SET (slot_name = NONE)", "DROP SUBSCRIPTION {}"):
        target.execute(sql.SQL(what).format(sql.Identifier(name)))


def durable_position(server: AsServer) -> str:
    """Return a position in the server's log before which all commits seen so far are, and which a crash does not take back.

    What a subscription applies is committed without waiting for the disk.
    """
    with server.transaction():
        server.execute("SELECT set_config('synchronous_commit', 'on', true), pg_logical_emit_message(true, 'saasodoo', 'flush')")
    return str(one(server.execute("SELECT pg_current_wal_flush_lsn()::text AS position"))["position"])


def write_sentinel(source: AsServer) -> str:
    """Write a row that comes after all that was committed, and return what to wait for on the other side."""
    token = str(uuid.uuid4())
    source.execute("INSERT INTO saasodoo_migration.sentinel (token) VALUES (%s)", (token,))
    return token


def wait_for_sentinel(target: AsServer, token: str, timeout: float, report: ProgressReport | None = None) -> None:
    """Wait until ``token`` has arrived, and with it all that was committed before. ``timeout`` in seconds. Raises TimedOut."""
    begin = time.monotonic()

    def arrived() -> Look:
        if target.execute("SELECT 1 FROM saasodoo_migration.sentinel WHERE token = %s", (token,)).fetchone():
            return Look(True, "")
        if report:
            report({"waiting_seconds": round(time.monotonic() - begin, 1)})
        row = target.execute(_ERRORS).fetchone()
        return Look(False, f"{row['errors'] if row else 0} errors of the subscription, which its server's log tells")

    wait_until("replication", arrived, timeout=timeout, pause=0.005)


def apply_errors(target: AsServer, name: str) -> int:
    """Return how often the subscription of that name failed to apply what it was sent; a lost connection counts, too."""
    row = target.execute(_ERRORS_OF, (name,)).fetchone()
    return int(row["errors"]) if row else 0


def strays(address: Address) -> list[Stray]:
    """Return all that migrations made on a server."""
    with address.connect() as server:
        found = [Stray(**row) for row in server.execute(_STRAYS)]
        databases = [str(row["datname"]) for row in server.execute(_DATABASES)]
    for name in databases:
        with address.inside(name) as database:
            found += [Stray(**row, database=name) for row in database.execute(_PUBLICATIONS)]
    return sorted(found)


def first_words(error: psycopg.Error) -> str:
    """Return what the server says of an error, in one line."""
    return error.diag.message_primary or " ".join(str(error).split())
