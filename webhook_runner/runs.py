"""Run records: what was run, why, by whom, how it went, how it ended; and how to tell that whoever ran it is dead."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from uuid import UUID, uuid4

import psycopg

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters import tenant_lock, tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import MOVING, Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from webhook_runner.database import Connection, Registry
from webhook_runner.execution import Request, Result
from webhook_runner.run_events import RunEvent
from webhook_runner.sql import query

_log = logging.getLogger(__name__)
_BATCH_AGE = 0.25  # seconds an event waits at most while others come
_BACKLOG = 5000  # events kept while the registry is away
_PATIENCE = 120  # seconds for the registry to come back and take a run's end
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('run:' || %s, 0)) AS taken"
#: What ends a move's leftovers: no verb of a tenant's life, since it is the clock's, and begins the verb migrate where it has to.
SETTLE = "settle"
_PLATFORM_PLAYBOOKS = {"health": "postgres_pool_health.yml", "spare": "postgres_spare.yml"}


@dataclass(frozen=True)
class Run:
    """A run that is to be started: its verb names its playbook."""

    id: UUID
    verb: str
    tenant_id: UUID | None
    cause: str
    correlation_id: str

    @property
    def playbook(self) -> str:
        """The playbook's file name."""
        return f"tenant_{self.verb}.yml" if self.tenant_id else _PLATFORM_PLAYBOOKS[self.verb]

    def request(self) -> Request:
        """Return what execution needs of it."""
        return Request(self.id, self.playbook, self.tenant_id, f"run:{self.id}", self.correlation_id)


def worker_name() -> str:
    """Return who runs it: this machine and process."""
    return f"{socket.gethostname()}/{os.getpid()}"


@contextmanager
def held(conninfo: str, run_id: UUID) -> Iterator[None]:
    """Hold the run's lock as long as this process lives: a worker that dies frees it at once, which is how it is found."""
    with psycopg.connect(conninfo, autocommit=True, application_name=f"saasodoo-run:{run_id}") as connection:
        connection.execute(_TRY_LOCK, (str(run_id),))
        yield


def is_dead(connection: Connection, run_id: UUID) -> bool:
    """Say whether nobody holds the run's lock; if so this transaction does until it ends, so that it is settled once."""
    statement = "SELECT pg_try_advisory_xact_lock(hashtextextended('run:' || %s, 0)) AS taken"
    row = connection.execute(statement, (str(run_id),)).fetchone()
    return bool(row and row["taken"])


def begin(connection: Connection, verb: str, tenant_id: UUID | None, *, cause: str, correlation_id: str, run_id: UUID) -> Run:
    """Record that the run begins."""
    run = Run(run_id, verb, tenant_id, cause, correlation_id)
    row = connection.execute(
        query("begin_run"),
        {
            "id": run.id,
            "tenant_id": tenant_id,
            "verb": verb,
            "playbook": run.playbook,
            "cause": cause,
            "correlation_id": UUID(correlation_id) if correlation_id else None,
            "worker": worker_name(),
        },
    ).fetchone()
    assert row is not None
    return replace(run, correlation_id=str(row["correlation_id"]))


def new_id() -> UUID:
    """Return an id for a run."""
    return uuid4()


class EventLog:
    """Writes a run's events in batches. The registry being away must not harm the run, so they wait for it here."""

    def __init__(self, registry: Registry, run_id: UUID) -> None:
        self._registry, self._run_id = registry, run_id
        self._waiting: list[RunEvent] = []
        self._written = time.monotonic()

    def record(self, event: RunEvent | None) -> None:
        """Take an event, or None to write what waits; never raises."""
        if event is not None:
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
                cursor.executemany(query("record_run_event"), rows)
        except Unavailable:
            _log.warning("run %s: %d events wait for the registry", self._run_id, len(rows))
            return
        del self._waiting[: len(rows)]


def finish(registry: Registry, run: Run, result: Result) -> bool:
    """Record how the run ended and, if it did not succeed, say so on its tenant; wait a while for the registry if it is away.

    Returns False when the run had been settled as lost already.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with registry.transaction(cause=f"run:{run.id}", correlation_id=run.correlation_id) as connection:
                return settle(connection, run, result)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def settle(connection: Connection, run: Run, result: Result) -> bool:
    """Record the run's end; what it leaves unfinished is said of the tenant (operation.lost), to be retried by hand.

    A run that has recorded its verb's end has left nothing: ansible-playbook may outlive the worker that died.
    """
    values = {"id": run.id, "status": result.status, "exit_code": result.exit_code, "message": result.message}
    settled = connection.execute(query("finish_run"), values).fetchone() is not None
    unfinished = result.status != "succeeded" and not result.refused
    if settled and run.tenant_id and unfinished and not _has_recorded_end(connection, run):
        message = f"{run.verb} {result.status.replace('_', ' ')}: {result.message} (run {run.id})"
        _tell(connection, tenants.find(connection, str(run.tenant_id)), run.verb, message)
    return settled


def _has_recorded_end(connection: Connection, run: Run) -> bool:
    row = connection.execute(query("has_recorded_end"), {"id": run.id, "tenant_id": run.tenant_id}).fetchone()
    return bool(row and row["recorded"])


def _tell(connection: Connection, tenant: Tenant, verb: str, message: str) -> None:
    if verb == SETTLE and tenant.operation not in MOVING:
        return  # it did not begin a verb: the tenant is as it was
    busy = tenant_lock.holder(connection, tenant.subdomain or str(tenant.id)) is not None  # somebody works on it by hand
    if not busy:
        tenants.lose(connection, tenant.id, message, Verb.MIGRATE if verb == SETTLE else Verb(verb))
