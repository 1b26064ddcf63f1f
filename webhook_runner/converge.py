"""Bringing one tenant to its desired state: at most one run at a time, and none repeated by itself once it failed."""

from __future__ import annotations

import logging
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters import tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import Desired, Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, NotFound
from webhook_runner import execution, queue, routing, runs
from webhook_runner.database import Connection
from webhook_runner.services import Services
from webhook_runner.sql import query

_log = logging.getLogger(__name__)
_ROUNDS = 5  # verbs in a row at most; what is left then waits for the next sync


def converge(services: Services, tenant_id: UUID, *, cause: str, correlation_id: str, retry: bool = False) -> str:
    """Run what the tenant needs, one verb after the other, until it is as desired or a run fails; return what was done."""
    done: list[str] = []
    for _ in range(_ROUNDS):
        with services.registry.transaction() as connection:
            tenant = tenants.find(connection, str(tenant_id))
            verb = _verb(connection, tenant, retry=retry and not done)
        if verb is None or services.stopping.is_set():
            break
        result = run(services, verb, tenant_id, cause=cause, correlation_id=correlation_id)
        done.append(f"{verb} {result.status}")
        if result.status != "succeeded":
            break
        _read_again(services, tenant, cause=cause, correlation_id=correlation_id)
    return ", ".join(done) or "nothing to do"


def run(services: Services, verb: str, tenant_id: UUID | None, *, cause: str, correlation_id: str) -> execution.Result:
    """Run the playbook of ``verb`` and keep the record of it."""
    run_id = runs.new_id()
    with runs.held(services.settings.registry, run_id):
        with services.registry.transaction() as connection:
            record = runs.begin(connection, verb, tenant_id, cause=cause, correlation_id=correlation_id, run_id=run_id)
        _log.info("run %s: %s of %s begins (%s)", run_id, verb, tenant_id or "the platform", cause)
        events = runs.EventLog(services.registry, run_id)
        try:
            result = execution.execute(services.settings, record.request(), events.record, services.stopping)
        except OSError as error:  # no room for its folder, no pseudo terminal
            result = execution.Result("failed", 254, f"could not be started: {error}")
        events.record(None)
        runs.finish(services.registry, record, result)
        _log.info("run %s: %s %s %s", run_id, verb, result.status, result.message)
    return result


def _verb(connection: Connection, tenant: Tenant, *, retry: bool) -> Verb | None:
    verb = routing.verb(tenant, retry=retry)
    by_hand = tenant.desired_state in (Desired.MANUAL, Desired.WAITING)
    if verb is None and retry and by_hand and routing.may_retry(tenant):  # billing has no say: what failed is done again
        row = connection.execute(query("last_run"), {"tenant_id": tenant.id}).fetchone()
        return Verb(row["verb"]) if row else None
    return verb


def _read_again(services: Services, tenant: Tenant, *, cause: str, correlation_id: str) -> None:
    """Have the account read again after a run: what the run wrote down of billing, and what changed meanwhile, is then right."""
    if tenant.account_id:
        with services.registry.transaction() as connection:
            queue.defer(connection, queue.sync_account(tenant.account_id, cause=cause, correlation_id=correlation_id))


def retry(connection: Connection, run_id: UUID, *, cause: str) -> bool:
    """Queue another try of what a failed run was for; False when one waits already.

    Raises NotFound, or Conflict when the run did not fail, is not its tenant's last, or has left nothing to try again.
    """
    row = connection.execute(query("read_run"), {"id": run_id}).fetchone()
    if row is None:
        raise NotFound(f"there is no run '{run_id}'")
    if row["tenant_id"] is None or row["status"] not in ("failed", "timed_out", "lost"):
        expected = "a tenant's run that failed, timed out or was lost"
        raise Conflict(f"run {run_id} is not one to retry", found=row["status"], expected=expected)
    if row["verb"] == runs.SETTLE:
        action = (
            f"it is tried again by itself; at once: ansible-playbook playbooks/tenant_settle.yml -e tenant={row['tenant_id']}"
        )
        raise Conflict(f"run {run_id} is not one to retry", found=row["verb"], action=action)
    last = connection.execute(query("last_run"), {"tenant_id": row["tenant_id"]}).fetchone()
    tenant = tenants.find(connection, str(row["tenant_id"]))
    if last is None or last["id"] != run_id or not routing.may_retry(tenant):
        found = f"tenant {tenant.name} is {tenant.status}"
        expected = "the last run of a tenant in error, migrating, or with a plan that could not be applied"
        raise Conflict(f"run {run_id} has been overtaken", found=found, expected=expected)
    job = queue.converge_tenant(tenant.id, Verb(row["verb"]), cause=cause, correlation_id=str(row["correlation_id"]), retry=True)
    return queue.defer(connection, job)
