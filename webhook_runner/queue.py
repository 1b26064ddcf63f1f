"""Jobs as plain data, deferred inside the caller's own transaction: what is stored and what is to be done commit together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import VERBS, Queue, Verb
from webhook_runner.database import Connection
from webhook_runner.kinds import Round

_EVENT_PRIORITY, _SWEEP_PRIORITY, _SETTLE_PRIORITY, _ROUND_PRIORITY = 10, 0, 10, 0
_DEFER_JOB = """
SELECT procrastinate_defer_jobs_v1(ARRAY[
    ROW(%(queue)s, %(task)s, %(priority)s, %(lock)s, %(queueing_lock)s, %(args)s, %(scheduled_at)s)::procrastinate_job_to_defer_v1
])
"""
_HASTEN_JOB = """
UPDATE procrastinate_jobs SET priority = %(priority)s
WHERE queueing_lock = %(queueing_lock)s AND status = 'todo' AND priority < %(priority)s
"""


@dataclass(frozen=True)
class Job:
    """One job. ``lock`` excludes others while it runs; ``queueing_lock`` makes jobs that still wait one."""

    task: str
    queue: Queue
    priority: int
    lock: str
    queueing_lock: str
    args: dict[str, str | int | bool] = field(default_factory=dict)
    scheduled_at: datetime | None = None


def sync_account(account_id: UUID, *, cause: str, correlation_id: str = "", sweep: bool = False, attempt: int = 0) -> Job:
    """Return the job that re-reads one account; jobs for one account coalesce."""
    name = f"account:{account_id}"
    args: dict[str, str | int | bool] = {"account_id": str(account_id), "cause": cause, "correlation_id": correlation_id}
    if attempt:
        args["attempt"] = attempt
    return Job("sync_account", Queue.SYNC, _SWEEP_PRIORITY if sweep else _EVENT_PRIORITY, name, name, args)


def converge_tenant(
    tenant_id: UUID, verb: Verb, *, cause: str, correlation_id: str, again: UUID | None = None, retry: bool = False
) -> Job:
    """Return the job that brings one tenant to its desired state; ``verb`` only chooses queue and priority.

    ``again`` is the run that is tried once more, ``retry`` that a person wants it.
    """
    args: dict[str, str | int | bool] = {"tenant_id": str(tenant_id), "cause": cause, "correlation_id": correlation_id}
    if again:
        args["again"] = str(again)
    if retry:
        args["retry"] = True
    coalesce = f"{'retry' if retry else 'again' if again else 'converge'}:{tenant_id}"
    return Job("converge_tenant", VERBS[verb].queue, VERBS[verb].priority, tenant_lock(tenant_id), coalesce, args)


def do_verb(tenant_id: UUID, verb: Verb, *, cause: str) -> Job:
    """Return the job that does what a person asked for to one tenant, whatever it is to be."""
    args: dict[str, str | int | bool] = {"tenant_id": str(tenant_id), "verb": str(verb), "cause": cause}
    return Job("do_verb", VERBS[verb].queue, VERBS[verb].priority, tenant_lock(tenant_id), f"{verb}:{tenant_id}", args)


def settle_tenant(tenant_id: UUID, *, cause: str) -> Job:
    """Return the job that ends what a move of one tenant's database has left."""
    args: dict[str, str | int | bool] = {"tenant_id": str(tenant_id), "cause": cause}
    return Job("settle_tenant", Queue.MAINTENANCE, _SETTLE_PRIORITY, tenant_lock(tenant_id), f"settle:{tenant_id}", args)


def tenant_lock(tenant_id: UUID) -> str:
    """Return the name of the lock that keeps a tenant's runs one at a time."""
    return f"tenant:{tenant_id}"


def defer(connection: Connection, job: Job) -> bool:
    """Queue ``job`` in the caller's transaction; False when an equal one waits already (hastened, if need be)."""
    values = {
        "task": job.task,
        "queue": job.queue,
        "priority": job.priority,
        "lock": job.lock,
        "queueing_lock": job.queueing_lock,
        "args": Jsonb(job.args),
        "scheduled_at": job.scheduled_at,
    }
    try:
        with connection.transaction():  # a savepoint: the caller's work stays
            connection.execute(_DEFER_JOB, values)
    except UniqueViolation:
        connection.execute(_HASTEN_JOB, values)
        return False
    return True


def at(job: Job, moment: datetime) -> Job:
    """Return ``job`` to be started no sooner than ``moment``. Never a tenant's: a waiting job holds up others of its lock."""
    return replace(job, scheduled_at=moment)


def turn(of: Round) -> Job:
    """Return the job of a round that is taken now, besides those by the clock."""
    return Job(of, Queue.MONITORING, _ROUND_PRIORITY, of.lock, of.lock, {"timestamp": 0})
