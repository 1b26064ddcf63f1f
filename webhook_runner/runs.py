"""Run records: what was run, why, how it went, how it ended, and when it is tried again."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import asdict, dataclass, replace
from uuid import UUID, uuid4

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters import tenant_lock, tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.tenant_runs import last_run
from ansible_collections.saasodoo.platform.plugins.module_utils.domain import operation, wish
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import MOVING, Status, Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from webhook_runner.database import Connection, Registry
from webhook_runner.ending import GOES_ON, Result, Tries
from webhook_runner.execution import Request
from webhook_runner.liveness import worker_name
from webhook_runner.patience import survive
from webhook_runner.run_events import RunEvent
from webhook_runner.sql import query

_log = logging.getLogger(__name__)
_BATCH_AGE = 0.25  # seconds an event waits at most while others come
_BACKLOG = 5000  # events kept while the registry is away
#: What ends a move's leftovers: no verb of a tenant's life, since it is the clock's, and begins the verb migrate where it has to.
SETTLE = "settle"
_PLATFORM_PLAYBOOKS = {"health": "postgres_pool_health.yml", "spare": "postgres_spare.yml"}


@dataclass(frozen=True)
class Run:
    """A run that is to be started: its verb names its playbook. ``attempt`` counts the tries since somebody wanted it."""

    id: UUID
    verb: str
    tenant_id: UUID | None
    cause: str
    correlation_id: str
    attempt: int = 1

    @property
    def playbook(self) -> str:
        """The playbook's file name."""
        return f"tenant_{self.verb}.yml" if self.tenant_id else _PLATFORM_PLAYBOOKS[self.verb]

    def request(self) -> Request:
        """Return what execution needs of it."""
        return Request(self.id, self.playbook, self.tenant_id, f"run:{self.id}", self.correlation_id)


def begin(
    connection: Connection,
    verb: str,
    tenant_id: UUID | None,
    *,
    cause: str,
    correlation_id: str,
    run_id: UUID,
    again: UUID | None = None,
) -> Run:
    """Record that the run begins; ``again`` is the run that it tries once more. No other try of the tenant then waits."""
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
            "again": again,
        },
    ).fetchone()
    assert row is not None
    connection.execute(query("drop_next_try"), {"tenant_id": tenant_id})
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
                cursor.executemany(query("record_run_event"), rows)
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
    settled = connection.execute(query("finish_run"), values).fetchone()
    if settled is None:
        return False
    if tenant and result.status != "succeeded" and not result.refused:
        what = f"{run.verb} {result.status.replace('_', ' ')}: {result.message}"
        if pause is not None:
            then = f"tried again at {settled['next_try_at']:%H:%M:%S %Z}, {run.attempt + 1} of {tries.most}"
            _tell(connection, tenant, run.verb, f"{what}; {then} (run {run.id})", goes_on=True)
        elif not _has_recorded_end(connection, run):
            _tell(connection, tenant, run.verb, f"{what} (run {run.id})", goes_on=False)
    return True


def _pause(connection: Connection, tenant: Tenant, run: Run, result: Result, tries: Tries) -> float | None:
    """Return the seconds to the next try, None where nothing is tried again by itself.

    What settles a move comes round by the clock. A moving database is left to that, and so is a verb that was ended.
    """
    if result.status not in GOES_ON or run.verb == SETTLE or tenant.status is Status.MIGRATING:
        return None
    recorded = _has_recorded_end(connection, run)
    if recorded and (tenant.status is not Status.ERROR or result.status == "lost" or Verb(run.verb) in MOVING):
        return None
    return tries.pause_after(run.attempt)


def _has_recorded_end(connection: Connection, run: Run) -> bool:
    row = connection.execute(query("has_recorded_end"), {"id": run.id, "tenant_id": run.tenant_id}).fetchone()
    return bool(row and row["recorded"])


def _tell(connection: Connection, tenant: Tenant, verb: str, message: str, *, goes_on: bool) -> None:
    if verb == SETTLE and tenant.operation not in MOVING:
        return  # it did not begin a verb: the tenant is as it was
    if tenant_lock.holder(connection, tenant.subdomain or str(tenant.id)) is not None:
        return  # somebody works on it by hand
    if goes_on:
        tenants.change(connection, tenant.id, lambda found: operation.interrupted(found, message))
    else:
        tenants.lose(connection, tenant.id, message, Verb.MIGRATE if verb == SETTLE else Verb(verb))


def held(connection: Connection, tenant: Tenant) -> Verb | None:
    """Return the verb that a tenant's last run keeps from being done by itself now, see wish.held."""
    row = last_run(connection, tenant.id)
    return wish.held(tenant, wish.Last(Verb(row["verb"]), row["status"], row["next_try_at"] is not None) if row else None)


def put_off(connection: Connection, run_id: UUID, seconds: float | None) -> None:
    """Have the next try of a run come in ``seconds``, or (None) not at all."""
    connection.execute(query("put_off_try"), {"id": run_id, "pause": seconds})
