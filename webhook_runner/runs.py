"""Run records: what was run, why, how it went, how it ended, and when it is tried again."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import operation, wish
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import MOVING, Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import NotFound, Unavailable
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import one
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import tenant_lock, tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.tenant_runs import last_run
from webhook_runner.database import Connection, Registry
from webhook_runner.ending import GOES_ON, Result, Tries
from webhook_runner.execution import Request
from webhook_runner.kinds import Kind, Maintenance, playbook_of, verb_of
from webhook_runner.liveness import worker_name
from webhook_runner.patience import survive
from webhook_runner.run_events import RunEvent

_log = logging.getLogger(__name__)
_BATCH_AGE = 0.25  # seconds an event waits at most while others come
_BACKLOG = 5000  # events kept while the registry is away
_COLUMNS = """id, tenant_id, kind, playbook, cause, correlation_id, status, worker, queued_at, started_at, finished_at, exit_code,
    message, retry_of, attempt, next_try_at,
    extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at)::double precision AS duration"""
_READ = f"SELECT {_COLUMNS} FROM ops.runs WHERE id = %s"
_LIST = f"""
SELECT {_COLUMNS} FROM ops.runs
WHERE (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s) AND (%(status)s::text IS NULL OR status = %(status)s)
ORDER BY queued_at DESC LIMIT %(limit)s
"""
_READ_EVENTS = """
SELECT seq, at, event, task, host, duration, changed, message FROM ops.run_events WHERE run_id = %s AND seq > %s ORDER BY seq
"""
# Written again where its end was not heard: it is the same run.
_BEGIN = """
INSERT INTO ops.runs (id, tenant_id, kind, playbook, cause, correlation_id, status, worker, started_at, retry_of, attempt)
SELECT %(id)s, %(tenant_id)s, %(kind)s, %(playbook)s, %(cause)s, coalesce(%(correlation_id)s, gen_random_uuid()), 'running',
    %(worker)s, clock_timestamp(), %(again)s, CASE WHEN before.next_try_at IS NULL THEN 1 ELSE before.attempt + 1 END
FROM (SELECT) AS one LEFT JOIN ops.runs before ON before.id = %(again)s
ON CONFLICT (id) DO UPDATE SET status = ops.runs.status
RETURNING correlation_id, attempt
"""
_DROP_NEXT_TRY = "UPDATE ops.runs SET next_try_at = NULL WHERE tenant_id = %(tenant_id)s AND next_try_at IS NOT NULL"
_RECORD_EVENT = """
INSERT INTO ops.run_events (run_id, seq, event, task, host, duration, changed, message)
VALUES (%(run_id)s, %(seq)s, %(event)s, %(task)s, %(host)s, %(duration)s, %(changed)s, %(message)s)
ON CONFLICT DO NOTHING
"""
# A run that was settled as lost meanwhile stays lost.
_FINISH = """
UPDATE ops.runs SET status = %(status)s, exit_code = %(exit_code)s, message = %(message)s, finished_at = clock_timestamp(),
    next_try_at = clock_timestamp() + make_interval(secs => %(pause)s)
WHERE id = %(id)s AND status = 'running' RETURNING next_try_at
"""
# Whether the run's last word on what is under way at the tenant is: nothing more. Only the end of a verb says that; a verb
# that merely converges puts nothing under way, and so says nothing.
_HAS_RECORDED_END = """
SELECT detail -> 'operation' = 'null' AS recorded FROM ops.journal
WHERE subject = 'tenant:' || %(tenant_id)s AND cause = 'run:' || %(id)s AND detail ? 'operation'
ORDER BY seq DESC LIMIT 1
"""
_PUT_OFF_TRY = """
UPDATE ops.runs SET next_try_at = clock_timestamp() + make_interval(secs => %(pause)s)
WHERE id = %(id)s AND next_try_at IS NOT NULL
"""


@dataclass(frozen=True)
class Run:
    """A run that is to be started. ``attempt`` counts the tries since somebody wanted it."""

    id: UUID
    kind: Kind
    tenant_id: UUID | None
    cause: str
    correlation_id: str
    attempt: int = 1

    @property
    def playbook(self) -> str:
        """The playbook's file name."""
        return playbook_of(self.kind)

    def request(self) -> Request:
        """Return what execution needs of it."""
        return Request(self.id, self.playbook, self.tenant_id, f"run:{self.id}", self.correlation_id)


def read(connection: Connection, run_id: UUID) -> dict[str, Any]:
    """Return the run's record. Raises NotFound."""
    row = connection.execute(_READ, (run_id,)).fetchone()
    if row is None:
        raise NotFound(f"there is no run '{run_id}'")
    return row


def read_events(connection: Connection, run_id: UUID, *, after: int) -> list[dict[str, Any]]:
    """Return the run's events that follow number ``after``."""
    return connection.execute(_READ_EVENTS, (run_id, after)).fetchall()


def newest(connection: Connection, *, tenant: UUID | None, status: str | None, limit: int) -> list[dict[str, Any]]:
    """Return the records of at most ``limit`` runs, newest first: of one tenant, or with one status, or of all."""
    return connection.execute(_LIST, {"tenant": tenant, "status": status, "limit": limit}).fetchall()


def begin(
    connection: Connection,
    kind: Kind,
    tenant_id: UUID | None,
    *,
    cause: str,
    correlation_id: str,
    run_id: UUID,
    again: UUID | None = None,
) -> Run:
    """Record that the run begins; ``again`` is the run that it tries once more. No other try of the tenant then waits."""
    run = Run(run_id, kind, tenant_id, cause, correlation_id)
    row = one(
        connection.execute(
            _BEGIN,
            {
                "id": run.id,
                "tenant_id": tenant_id,
                "kind": kind,
                "playbook": run.playbook,
                "cause": cause,
                "correlation_id": UUID(correlation_id) if correlation_id else None,
                "worker": worker_name(),
                "again": again,
            },
        )
    )
    connection.execute(_DROP_NEXT_TRY, {"tenant_id": tenant_id})
    return replace(run, correlation_id=str(row["correlation_id"]), attempt=row["attempt"])


def new_id() -> UUID:
    """Return an id for a run."""
    return uuid4()


class EventLog:
    """Writes a run's events in batches. The registry being away must not harm the run, so they wait for it here.

    With ``only_news`` it leaves out what says nothing new: the platform's rounds would write 22,000 events a day.
    """

    def __init__(self, registry: Registry, run_id: UUID, *, only_news: bool = False) -> None:
        self._registry, self._run_id, self._only_news = registry, run_id, only_news
        self._waiting: list[RunEvent] = []
        self._written = time.monotonic()

    def record(self, event: RunEvent | None) -> None:
        """Take an event, or None to write what waits; never raises."""
        if event is not None and (event.is_news or not self._only_news):
            self._waiting.append(event)
            del self._waiting[:-_BACKLOG]
        if self._waiting and (event is None or time.monotonic() - self._written > _BATCH_AGE):
            self.flush()

    def flush(self) -> None:
        """Write what waits; keep it when the registry is away."""
        self._written = time.monotonic()
        rows = [{"run_id": self._run_id, **asdict(event)} for event in self._waiting]
        try:
            with self._registry.transaction() as connection, connection.cursor() as cursor:
                cursor.executemany(_RECORD_EVENT, rows)
        except Unavailable:
            _log.warning("run %s: %d events wait for the registry", self._run_id, len(rows))
            return
        del self._waiting[: len(rows)]


def finish(registry: Registry, run: Run, result: Result, tries: Tries, given_up: threading.Event) -> bool:
    """Record how the run ended and say so on its tenant; wait for the registry if it is away, until ``given_up``.

    Returns False when the run had been settled as lost already.
    """

    def end() -> bool:
        with registry.transaction(cause=f"run:{run.id}", correlation_id=run.correlation_id) as connection:
            return settle(connection, run, result, tries)

    return survive(given_up, end)


def settle(connection: Connection, run: Run, result: Result, tries: Tries) -> bool:
    """Record the run's end. What was interrupted has its next try then; what else is left unfinished is said of the tenant.

    A run that has recorded its verb's end has left nothing: ansible-playbook may outlive the worker that died.
    """
    tenant = tenants.find(connection, str(run.tenant_id)) if run.tenant_id else None
    pause = _pause(connection, tenant, run, result, tries) if tenant else None
    values = {"id": run.id, "status": result.status, "exit_code": result.exit_code, "message": result.message, "pause": pause}
    settled = connection.execute(_FINISH, values).fetchone()
    if settled is None:
        return False
    if tenant and result.status != "succeeded" and not result.refused:
        what = f"{run.kind} {result.status.replace('_', ' ')}: {result.message}"
        if pause is not None:
            then = f"tried again at {settled['next_try_at']:%H:%M:%S %Z}, {run.attempt + 1} of {tries.most}"
            _record_message(connection, tenant, run.kind, f"{what}; {then} (run {run.id})", goes_on=True)
        elif not _has_recorded_end(connection, run):
            _record_message(connection, tenant, run.kind, f"{what} (run {run.id})", goes_on=False)
    return True


def _pause(connection: Connection, tenant: Tenant, run: Run, result: Result, tries: Tries) -> float | None:
    """Return the seconds to the next try, None where nothing is tried again by itself.

    What settles a move comes round by the clock. A moving database is left to that, and so is a verb that was ended.
    """
    if result.status not in GOES_ON or run.kind is Maintenance.SETTLE or tenant.status is Status.MIGRATING:
        return None
    recorded = _has_recorded_end(connection, run)
    if recorded and (tenant.status is not Status.ERROR or result.status == "lost" or run.kind in MOVING):
        return None
    return tries.pause_after(run.attempt)


def _has_recorded_end(connection: Connection, run: Run) -> bool:
    row = connection.execute(_HAS_RECORDED_END, {"id": run.id, "tenant_id": run.tenant_id}).fetchone()
    return bool(row and row["recorded"])


def _record_message(connection: Connection, tenant: Tenant, kind: Kind, message: str, *, goes_on: bool) -> None:
    if kind is Maintenance.SETTLE and tenant.operation not in MOVING:
        return  # it did not begin a verb: the tenant is as it was
    if tenant_lock.holder_of(connection, tenant) is not None:
        return  # somebody works on it by hand
    if goes_on:
        tenants.change(connection, tenant.id, lambda found: operation.interrupted(found, message))
    else:
        tenants.mark_lost(connection, tenant.id, message, verb_of(kind))


def held(connection: Connection, tenant: Tenant) -> Verb | None:
    """Return the verb that a tenant's last run keeps from being done by itself now, see wish.held."""
    row = last_run(connection, tenant.id)
    return wish.held(tenant, wish.Last(Verb(row["kind"]), row["status"], row["next_try_at"] is not None) if row else None)


def put_off(connection: Connection, run_id: UUID, seconds: float | None) -> None:
    """Have the next try of a run come in ``seconds``, or (None) not at all."""
    connection.execute(_PUT_OFF_TRY, {"id": run_id, "pause": seconds})
