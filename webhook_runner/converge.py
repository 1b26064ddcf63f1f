"""Bringing one tenant to its desired state: at most one run at a time. What was interrupted goes on, what failed does not."""

from __future__ import annotations

import logging
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import wish
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.tenant_runs import last_run
from webhook_runner import execution, liveness, queue, runs
from webhook_runner.database import Connection
from webhook_runner.ending import Result
from webhook_runner.kinds import Kind, Maintenance
from webhook_runner.patience import survive
from webhook_runner.services import Services

_log = logging.getLogger(__name__)
_ROUNDS = 5  # verbs in a row at most; what is left then waits for the next sync
_PUT_OFF = 300.0  # seconds until it is looked again whether billing still does not want what was interrupted
# The next tries whose time has come. Each is asked for again after a minute, should whoever took it die before it began.
_DUE_TRIES = """
UPDATE ops.runs SET next_try_at = clock_timestamp() + interval '1 minute'
WHERE next_try_at <= clock_timestamp() RETURNING id, tenant_id, kind, correlation_id
"""


def converge(
    services: Services, tenant_id: UUID, *, cause: str, correlation_id: str, retry: bool = False, again: UUID | None = None
) -> str:
    """Run what the tenant needs, one verb after the other, until it is as desired or a run does not succeed; say what was done.

    ``again`` is the run that is tried once more, by a person (``retry``) or because its time has come.
    """
    done: list[str] = []
    for _ in range(_ROUNDS):
        with services.registry.transaction() as connection:
            tenant = tenants.find(connection, str(tenant_id))
            verb = _verb(connection, tenant, retry=retry, again=again)
        if verb is None or services.stopping.is_set():
            break
        result = run(services, verb, tenant_id, cause=cause, correlation_id=correlation_id, again=again)
        retry, again = False, None
        done.append(f"{verb} {result.status}")
        if result.status != "succeeded":
            break
        _read_again(services, tenant, cause=cause, correlation_id=correlation_id)
    return ", ".join(done) or "nothing to do"


def do(services: Services, tenant_id: UUID, verb: Verb, *, cause: str) -> str:
    """Run what a person asked for, if it may still begin once it is its turn; say what came of it."""
    with services.registry.transaction() as connection:
        tenant = tenants.find(connection, str(tenant_id))
    try:
        wish.asked(tenant, verb, None)
    except Conflict as error:
        _log.warning("%s of tenant %s: %s", verb, tenant.name, error)
        return f"refused: {error}"
    if services.stopping.is_set():
        return "nothing: the worker stops"
    result = run(services, verb, tenant_id, cause=cause, correlation_id="")
    _read_again(services, tenant, cause=cause, correlation_id="")
    return f"{verb} {result.status}"


def run(
    services: Services, kind: Kind, tenant_id: UUID | None, *, cause: str, correlation_id: str, again: UUID | None = None
) -> Result:
    """Run the playbook of ``kind`` and keep the record of it."""
    run_id = runs.new_id()

    def begin() -> runs.Run:
        with services.registry.transaction() as connection:
            return runs.begin(connection, kind, tenant_id, cause=cause, correlation_id=correlation_id, run_id=run_id, again=again)

    with liveness.held(services.settings.registry, run_id):
        record = survive(services.stopping, begin)
        _log.info("run %s: %s of %s begins (%s)", run_id, kind, tenant_id or "the platform", cause)
        events = runs.EventLog(services.registry, run_id, only_news=tenant_id is None)
        result = Result("interrupted", 254, "the worker came upon an error of its own; its log has it")
        try:
            result = execution.execute(services.settings, record.request(), events.record, services.stopping)
        except OSError as error:  # no room for its folder, no pseudo terminal
            result = Result("interrupted", 254, f"could not be started: {error}")
        finally:
            events.record(None)
            runs.finish(services.registry, record, result, services.settings.tries(), services.stopping)
        _log.info("run %s: %s %s %s", run_id, kind, result.status, result.message)
    return result


def _verb(connection: Connection, tenant: Tenant, *, retry: bool, again: UUID | None) -> Verb | None:
    last = last_run(connection, tenant.id)
    due = last if last is not None and last["id"] == again and last["next_try_at"] else None
    if not retry and due is None:
        return wish.verb(tenant, held=runs.held(connection, tenant))
    verb = wish.retried(tenant, Verb(last["kind"]) if last else None, by_hand=retry, due=due is not None)
    if verb is None and due:  # not wanted now; a tenant at rest has nothing to come back to
        runs.put_off(connection, due["id"], _PUT_OFF if wish.is_broken(tenant) else None)
    return verb


def next_tries(services: Services) -> int:
    """Queue the next try of each interrupted run whose time has come; return how many."""
    with services.registry.transaction() as connection:
        due = connection.execute(_DUE_TRIES).fetchall()
        for row in due:
            job = queue.converge_tenant(
                row["tenant_id"],
                Verb(row["kind"]),
                cause=f"again:{row['id']}",
                correlation_id=str(row["correlation_id"]),
                again=row["id"],
            )
            queue.defer(connection, job)
    return len(due)


def _read_again(services: Services, tenant: Tenant, *, cause: str, correlation_id: str) -> None:
    """Have the account read again after a run: what the run wrote down of billing, and what changed meanwhile, is then right."""
    if tenant.account_id is None:
        return
    job = queue.sync_account(tenant.account_id, cause=cause, correlation_id=correlation_id)

    def defer() -> bool:
        with services.registry.transaction() as connection:
            return queue.defer(connection, job)

    survive(services.stopping, defer)


def retry(connection: Connection, run_id: UUID, *, cause: str) -> bool:
    """Queue another try of what a failed run was for; False when one waits already.

    Raises NotFound, or Conflict when the run did not fail, is not its tenant's last, or has left nothing to try again.
    """
    row = runs.read(connection, run_id)
    if row["tenant_id"] is None or row["status"] not in ("failed", "timed_out", "interrupted", "lost"):
        expected = "a tenant's run that failed, timed out, was interrupted or lost"
        raise Conflict(f"run {run_id} is not one to retry", found=row["status"], expected=expected)
    if row["kind"] == Maintenance.SETTLE:
        action = (
            f"it is tried again by itself; at once: ansible-playbook playbooks/tenant_settle.yml -e tenant={row['tenant_id']}"
        )
        raise Conflict(f"run {run_id} is not one to retry", found=row["kind"], action=action)
    last = last_run(connection, row["tenant_id"])
    tenant = tenants.find(connection, str(row["tenant_id"]))
    if last is None or last["id"] != run_id or not (wish.may_retry(tenant) or last["next_try_at"]):
        found = f"tenant {tenant.name} is {tenant.status}"
        expected = "the last run of a tenant in error, with something under way, or with a plan that could not be applied"
        raise Conflict(f"run {run_id} has been overtaken", found=found, expected=expected)
    job = queue.converge_tenant(
        tenant.id, Verb(row["kind"]), cause=cause, correlation_id=str(row["correlation_id"]), again=run_id, retry=True
    )
    return queue.defer(connection, job)
