# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Migrations as the registry keeps them: what each did, so that the next run knows how to go on, and where the tenant lives.

Every function is one transaction, over when it returns: what was written is durable. The times of a migration are the
platform's (ops.now); an entry's is the real time at which it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from ..domain.migration.record import ENDED, Due, Entry, Migration, MigrationCourse, MigrationStatus, Reason, StepState, Strategy
from ..domain.server.database_server import Purpose
from ..domain.tenant.status import Status
from ..errors import Conflict, NotFound
from ..postgres.connection import Connection, one
from ..registry import connection as registry
from ..registry import tenant_lock
from ..registry.tenant_name import REFERENCE

_COLUMNS = ", ".join(f"m.{field.name}" for field in fields(Migration))
_READ = f"SELECT {_COLUMNS} FROM ops.migrations m WHERE m.id = %s"
# One decision about a migration at a time.
_HOLD = f"{_READ} FOR UPDATE"
_OPEN = f"SELECT {_COLUMNS} FROM ops.migrations m WHERE m.tenant_id = %s AND m.finished_at IS NULL"
_HISTORY = f"SELECT {_COLUMNS} FROM ops.migrations m WHERE m.tenant_id = %s ORDER BY m.started_at DESC, m.id"
_START = """
INSERT INTO ops.migrations (tenant_id, database_name, strategy, reason, source, target, tenant_status)
VALUES (%(tenant_id)s, %(database_name)s, %(strategy)s, %(reason)s, %(source)s, %(target)s, %(tenant_status)s) RETURNING id
"""
_ENTRIES = "SELECT id, course, step, state, at, detail FROM ops.migration_steps WHERE migration_id = %s ORDER BY id"
_RECORD = "INSERT INTO ops.migration_steps (migration_id, course, step, state, detail) VALUES (%s, %s, %s, %s, %s)"
_PROGRESS = "UPDATE ops.migrations SET progress = progress || %s WHERE id = %s RETURNING id"
_PLACES = "SELECT purpose, server_name, state FROM database.allocations WHERE tenant_id = %s FOR UPDATE"
_REPURPOSE = "UPDATE database.allocations SET purpose = %(to)s WHERE tenant_id = %(tenant_id)s AND purpose = %(purpose)s"
_GIVE_BACK = "DELETE FROM database.allocations WHERE tenant_id = %s AND purpose IN ('target', 'former')"
_SWITCHED = """
UPDATE ops.migrations SET switched_at = ops.now(), way_back_until = %(way_back_until)s, keep_until = %(keep_until)s
WHERE id = %(id)s
"""
_PROVED = "UPDATE ops.migrations SET message = %(message)s, report = coalesce(%(report)s, report) WHERE id = %(id)s"
_NOTHING_KEPT = "UPDATE ops.migrations SET way_back_until = NULL, keep_until = NULL WHERE id = %s"
_CLOSE_WAY_BACK = "UPDATE ops.migrations SET way_back_until = NULL WHERE id = %s"
_UNFINISHED = f"SELECT {_COLUMNS} FROM ops.migrations m WHERE m.finished_at IS NULL ORDER BY m.started_at, m.id"
# Unless somebody has begun to go back.
_END_WAY_BACK = """
UPDATE ops.migrations SET way_back_until = ops.now(), message = %(message)s
WHERE id = %(id)s AND status = 'kept' AND way_back_until > ops.now() RETURNING id
"""
_SET_STATUS = """
UPDATE ops.migrations SET status = %(status)s, message = %(message)s, report = coalesce(%(report)s, report),
    finished_at = CASE WHEN %(ended)s THEN ops.now() END
WHERE id = %(id)s
"""
# Those under way are due when their run is dead, which the lock of the tenant (by its reference) tells.
_CANDIDATES = f"""
SELECT {_COLUMNS}, {REFERENCE} AS reference
FROM ops.migrations m JOIN tenant.tenants t ON t.id = m.tenant_id
WHERE m.finished_at IS NULL
    AND (m.status = 'under_way' OR m.way_back_until <= %(now)s OR m.keep_until <= %(now)s
        OR m.report IS NULL AND m.way_back_until > %(now)s AND t.status IN ('running', 'stopped'))
ORDER BY m.started_at, m.id
"""


def get(connection: Connection, migration_id: UUID) -> Migration:
    """Return the migration. Raises NotFound."""
    return _read(connection, _READ, migration_id)


def open_of(connection: Connection, tenant_id: UUID) -> Migration | None:
    """Return the tenant's unfinished migration (under way or kept), or None. It has one at most."""
    row = connection.execute(_OPEN, (tenant_id,)).fetchone()
    return _migration(row) if row else None


def history(connection: Connection, tenant_id: UUID) -> tuple[Migration, ...]:
    """Return all migrations of the tenant, newest first."""
    return tuple(map(_migration, connection.execute(_HISTORY, (tenant_id,))))


def start(
    connection: Connection,
    *,
    tenant_id: UUID,
    database_name: str,
    strategy: Strategy,
    source: str,
    target: str,
    tenant_status: Status,
    reason: str = "",
) -> Migration:
    """Record a migration, under way from now on; ``tenant_status`` (running, stopped) is what the tenant is to be again.

    Raises Conflict when the tenant has one that is not finished.
    """
    values = {"tenant_id": tenant_id, "database_name": database_name, "strategy": strategy, "reason": reason}
    places = {"source": source, "target": target, "tenant_status": tenant_status}
    try:
        with _transaction(connection):
            row = one(connection.execute(_START, values | places))
    except psycopg.errors.UniqueViolation:
        found = open_of(connection, tenant_id)
        raise Conflict(
            f"{database_name} has a migration that is not finished",
            found=f"from {found.source} to {found.target}, {found.status}" if found else None,
            action="let it end, or settle what is kept of it, first",
        ) from None
    return get(connection, row["id"])


def entries(connection: Connection, migration_id: UUID) -> tuple[Entry, ...]:
    """Return what was done, oldest first."""
    rows = connection.execute(_ENTRIES, (migration_id,))
    return tuple(
        Entry(row["id"], MigrationCourse(row["course"]), row["step"], StepState(row["state"]), row["at"], row["detail"])
        for row in rows
    )


def record(
    connection: Connection,
    migration_id: UUID,
    course: MigrationCourse,
    step: str,
    state: StepState,
    *,
    detail: Mapping[str, Any] | None = None,
    begins: str | None = None,
) -> None:
    """Add an entry: before a step is carried out, and after. ``detail`` (JSON) holds no secret.

    With ``begins`` also that this step is begun now: one commit for both.
    """
    with _transaction(connection):
        connection.execute(_RECORD, (migration_id, course, step, state, Jsonb(dict(detail or {}))))
        if begins:
            connection.execute(_RECORD, (migration_id, course, begins, StepState.BEGUN, Jsonb({})))


def progress(connection: Connection, migration_id: UUID, figures: Mapping[str, Any]) -> None:
    """Put ``figures`` (JSON) for people beside those there are, over those of the same name. Raises NotFound."""
    _check_durable(connection)
    if connection.execute(_PROGRESS, (Jsonb(dict(figures)), migration_id)).fetchone() is None:
        raise _no_migration(migration_id)


def switch(connection: Connection, migration_id: UUID, *, way_back_until: datetime | None, keep_until: datetime) -> Migration:
    """Have the tenant live on target: the point of no return, with the entry that the step ``switch`` is done.

    The former database is kept until ``keep_until`` (platform's time) and follows until ``way_back_until`` (None: it
    does not). Once switched, the same call changes nothing. Raises Conflict when the migration is not under way, or
    home and target are not in use where it says.
    """
    with _locked(connection, migration_id) as (migration, places):
        if migration.switched and places.get(Purpose.HOME) == migration.target:
            return migration
        _check(migration, places, {Purpose.HOME: migration.source, Purpose.TARGET: migration.target}, switched=False)
        _repurpose(connection, migration, Purpose.HOME, Purpose.FORMER)
        _repurpose(connection, migration, Purpose.TARGET, Purpose.HOME)
        until = {"way_back_until": way_back_until, "keep_until": keep_until}
        connection.execute(_SWITCHED, {"id": migration_id, **until})
        record(connection, migration_id, MigrationCourse(migration.strategy), "switch", StepState.DONE)
        return get(connection, migration_id)


def switch_back(connection: Connection, migration_id: UUID) -> Migration:
    """Have the tenant live on source again, with the entry that the step ``switch`` of the return is done.

    What is on target then has the place of a target, until the migration is finished as returned. Once switched
    back, the same call changes nothing. Raises Conflict when the migration is not under way or was not switched.
    """
    with _locked(connection, migration_id) as (migration, places):
        if migration.switched and places.get(Purpose.HOME) == migration.source:
            return migration
        _check(migration, places, {Purpose.HOME: migration.target, Purpose.FORMER: migration.source}, switched=True)
        _repurpose(connection, migration, Purpose.HOME, Purpose.TARGET)
        _repurpose(connection, migration, Purpose.FORMER, Purpose.HOME)
        connection.execute(_NOTHING_KEPT, (migration_id,))
        record(connection, migration_id, MigrationCourse.RETURN, "switch", StepState.DONE)
        return get(connection, migration_id)


def reopen(connection: Connection, migration_id: UUID) -> Migration:
    """Have a kept migration under way again: its return begins. One that is under way already changes nothing.

    Raises Conflict when it is neither, or its way back is over.
    """
    with _locked(connection, migration_id) as (migration, places):
        if migration.status is MigrationStatus.UNDER_WAY and migration.switched:
            return migration
        migration.check_may_become(MigrationStatus.UNDER_WAY, places.get(Purpose.HOME))
        migration.check_way_back(registry.now(connection))
        _set_status(connection, migration_id, MigrationStatus.UNDER_WAY)
        return get(connection, migration_id)


def close_way_back(connection: Connection, migration_id: UUID) -> Migration:
    """Record that the former database follows no more. Hold it closed before the replication is taken down."""
    with _locked(connection, migration_id):
        connection.execute(_CLOSE_WAY_BACK, (migration_id,))
        return get(connection, migration_id)


def unfinished(connection: Connection) -> tuple[Migration, ...]:
    """Return all migrations that are under way or kept, oldest first."""
    return tuple(map(_migration, connection.execute(_UNFINISHED)))


def end_way_back(connection: Connection, migration_id: UUID, message: str) -> bool:
    """Let the time of a way back be over now, so that nobody goes back by it and it is due to be taken down.

    Returns False where there is none any more, or somebody is on it.
    """
    _check_durable(connection)
    row = connection.execute(_END_WAY_BACK, {"id": migration_id, "message": message}).fetchone()
    return row is not None


def finish(
    connection: Connection,
    migration_id: UUID,
    status: MigrationStatus,
    message: str = "",
    report: Mapping[str, Any] | None = None,
) -> Migration:
    """Record that the run ended with ``status``; a ``report`` (JSON) given before is kept unless there is a new one.

    A kept migration is not finished yet: the former has its place. All other ends give back every place of the tenant
    but its home. Raises Conflict when the end does not follow, or does not fit where the tenant lives.
    """
    with _locked(connection, migration_id) as (migration, places):
        if migration.status is status:
            return migration
        migration.check_may_become(status, places.get(Purpose.HOME))
        if status in ENDED:
            connection.execute(_GIVE_BACK, (migration.tenant_id,))
        _set_status(connection, migration_id, status, message, report)
        return get(connection, migration_id)


def compared(connection: Connection, migration_id: UUID, message: str, report: Mapping[str, Any] | None) -> Migration:
    """Record what came of comparing the databases of a kept migration later: the ``report`` (JSON), or why there is none."""
    values = {"id": migration_id, "message": message, "report": None if report is None else Jsonb(dict(report))}
    with _locked(connection, migration_id):
        connection.execute(_PROVED, values)
        return get(connection, migration_id)


def due(connection: Connection, now: datetime) -> tuple[Due, ...]:
    """Return the migrations for which something is to be done at ``now`` (platform's time), oldest first.

    One under way is due when nobody holds the tenant's lock, so that its run is dead. The caller takes that lock before
    acting on any.
    """
    found = []
    for row in connection.execute(_CANDIDATES, {"now": now}).fetchall():
        migration = _migration(row)
        if migration.status is not MigrationStatus.UNDER_WAY:
            over = migration.keep_until is not None and migration.keep_until <= now
            ended = migration.way_back_until is not None and migration.way_back_until <= now
            reason = Reason.KEEP_OVER if over else Reason.WAY_BACK_OVER if ended else Reason.UNPROVED
            found.append(Due(migration, reason))
        elif tenant_lock.holder(connection, row["reference"]) is None:
            found.append(Due(migration, Reason.INTERRUPTED))
    return tuple(found)


@contextmanager
def _transaction(connection: Connection) -> Iterator[None]:
    """Write what is durable when the block is left."""
    _check_durable(connection)
    with connection.transaction():
        yield


def _check_durable(connection: Connection) -> None:
    if not connection.autocommit:
        raise ValueError("an entry that waits for the end of a longer transaction tells nobody how far a run came")


@contextmanager
def _locked(connection: Connection, migration_id: UUID) -> Iterator[tuple[Migration, dict[Purpose, str]]]:
    """Give the migration and the servers on which the tenant has places, held as they are until the block is left."""
    with _transaction(connection):
        migration = _read(connection, _HOLD, migration_id)
        rows = connection.execute(_PLACES, (migration.tenant_id,)).fetchall()
        yield migration, {Purpose(row["purpose"]): row["server_name"] for row in rows if row["state"] == "in_use"}


def _check(migration: Migration, places: dict[Purpose, str], wanted: dict[Purpose, str], *, switched: bool) -> None:
    fits = migration.status is MigrationStatus.UNDER_WAY and migration.switched is switched
    if not fits or wanted.items() - places.items():
        raise Conflict(
            f"the migration of {migration.database_name} can't switch",
            found=f"{migration.status}, {'' if migration.switched else 'not '}switched, in use: {_shown(places)}",
            expected=f"under_way, {'' if switched else 'not '}switched, in use: {_shown(wanted)}",
        )


def _repurpose(connection: Connection, migration: Migration, purpose: Purpose, to: Purpose) -> None:
    connection.execute(_REPURPOSE, {"tenant_id": migration.tenant_id, "purpose": purpose, "to": to})


def _set_status(
    connection: Connection,
    migration_id: UUID,
    status: MigrationStatus,
    message: str = "",
    report: Mapping[str, Any] | None = None,
) -> None:
    values = {"id": migration_id, "status": status, "message": message, "ended": status in ENDED}
    connection.execute(_SET_STATUS, {**values, "report": None if report is None else Jsonb(dict(report))})


def _read(connection: Connection, query: str, migration_id: UUID) -> Migration:
    row = connection.execute(query, (migration_id,)).fetchone()
    if row is None:
        raise _no_migration(migration_id)
    return _migration(row)


def _no_migration(migration_id: UUID) -> NotFound:
    return NotFound(f"there is no migration {migration_id}")


def _shown(places: Mapping[Purpose, str]) -> str:
    return ", ".join(f"{purpose} on {places[purpose]}" for purpose in Purpose if purpose in places) or "nothing"


def _migration(row: Mapping[str, Any]) -> Migration:
    words = {"strategy": Strategy, "status": MigrationStatus, "tenant_status": Status}
    values = {field.name: row[field.name] for field in fields(Migration)}
    return Migration(**values | {name: word(values[name]) for name, word in words.items()})
