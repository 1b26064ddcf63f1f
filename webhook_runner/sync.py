"""The sync of one account: re-read it from Kill Bill, write down what its tenants should be, queue what is to be done.

Everything one reading of Kill Bill leads to is one transaction: a sync killed anywhere has either done it all or nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters import plans, tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import Desired, Provisioning, Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.subscription import Account
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import Tenant, check_subdomain
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import NotFound, PlatformError
from webhook_runner import queue, routing
from webhook_runner.database import Connection
from webhook_runner.services import Services
from webhook_runner.settings import Settings
from webhook_runner.sql import query


def sync(services: Services, account_id: UUID, *, cause: str, correlation_id: str) -> str:
    """Bring the registry's account and tenants to what Kill Bill says now; return the outcome in words.

    Raises Unavailable when Kill Bill or the registry is away; the account's events then stay open.
    """
    with services.registry.transaction() as connection:
        read_at = _clock(connection)
    try:
        account = services.billing.read_account(account_id)
    except NotFound:
        outcome = "unknown to Kill Bill"
        with services.registry.transaction() as connection:
            _settle(connection, account_id, read_at, outcome)
        return outcome
    with services.registry.transaction(cause=cause, correlation_id=correlation_id) as connection:
        outcome = apply(connection, account, services.settings, cause=cause, correlation_id=correlation_id)
        _settle(connection, account_id, read_at, outcome)
    return outcome


def apply(connection: Connection, account: Account, settings: Settings, *, cause: str, correlation_id: str) -> str:
    """Write down what ``account`` asks for and queue the runs it takes; return the outcome in words, one clause a tenant."""
    connection.execute(
        query("record_account"),
        {
            "account_id": account.id,
            "customer_id": account.customer_id,
            "overdue_state": account.overdue_state,
            "balance": sum(invoice.balance for invoice in account.invoices),
        },
    )
    outcomes = []
    for target in routing.desired(account, _known(connection, account)):
        try:
            with connection.transaction():  # one tenant's trouble is not the others'
                outcomes.append(_converge(connection, account, target, settings, cause=cause, correlation_id=correlation_id))
        except PlatformError as error:
            outcomes.append(f"{target.subscription.bundle_key}: {error}")
    return "; ".join(outcomes) or "no subscription"


def _converge(
    connection: Connection, account: Account, target: routing.Target, settings: Settings, *, cause: str, correlation_id: str
) -> str:
    name = target.subscription.bundle_key
    target = _with_trial(connection, account, target)
    tenant = tenants.of_subscription(connection, target.subscription.id)
    if tenant is None:
        if target.desired is Desired.TERMINATED:
            return f"{name}: {target.reason} before there was a tenant"
        tenant = _create(connection, account, target, settings)
    if tenant.status is Status.TERMINATED:
        return f"{name}: terminated"
    tenant, trouble = _record(connection, tenant, target)
    verb = routing.verb(tenant)
    if verb is not None:
        job = queue.converge_tenant(tenant.id, verb, cause=cause, correlation_id=correlation_id)
        queue.defer(connection, job)
    what = f", {verb}" if verb else f", error: {tenant.status_message}" if tenant.status is Status.ERROR else ""
    return f"{name}: {target.reason}{what}{trouble}"


def _with_trial(connection: Connection, account: Account, target: routing.Target) -> routing.Target:
    """Claim the customer's one trial; whoever else was faster in another account or sync has it, and this one waits."""
    if not target.claims_trial:
        return target
    values = {"customer_id": account.customer_id, "subscription_id": target.subscription.id}
    connection.execute(query("claim_trial"), values)
    known = routing.Known(trial_of=_trial_of(connection, account.customer_id))
    return next(each for each in routing.desired(account, known) if each.subscription.id == target.subscription.id)


def _create(connection: Connection, account: Account, target: routing.Target, settings: Settings) -> Tenant:
    """Record the subscription's tenant; one that can't be as asked is recorded in error, with the reason, for somebody to see."""
    trouble = ""
    subdomain: str | None = target.subscription.bundle_key
    try:
        check_subdomain(target.subscription.bundle_key)
        plans.entitlement(connection, target.subscription.plan_name)
        return _insert(connection, account, target, settings, subdomain=subdomain)
    except PlatformError as error:
        trouble = str(error)
    tenant = _insert(connection, account, target, settings, subdomain=None)
    return tenants.change(connection, tenant.id, lambda each: (replace(each, status=Status.ERROR, status_message=trouble),)).after


def _insert(
    connection: Connection, account: Account, target: routing.Target, settings: Settings, *, subdomain: str | None
) -> Tenant:
    return tenants.create(
        connection,
        subdomain=subdomain,
        customer_id=account.customer_id,
        plan_name=target.subscription.plan_name,
        odoo_version=settings.odoo_version,
        ports=range(settings.tenant_ports, settings.tenant_ports_end + 1),
        account_id=account.id,
        subscription_id=target.subscription.id,
        desired_state=target.desired,
    )


def _record(connection: Connection, tenant: Tenant, target: routing.Target) -> tuple[Tenant, str]:
    """Write down what is wanted; a plan nobody knows is not written down, and said."""
    plan_name, trouble = target.subscription.plan_name, ""
    if plan_name != tenant.plan_name:
        try:
            plans.entitlement(connection, plan_name)
        except NotFound as error:
            plan_name, trouble = tenant.plan_name, f", {error}"
    changed = tenants.record_desired(
        connection,
        tenant.id,
        desired_state=target.desired,
        billing_status=target.billing or tenant.billing_status,
        plan_name=plan_name,
        cancel_at=target.cancel_at,
    )
    return changed.after, trouble


def _known(connection: Connection, account: Account) -> routing.Known:
    ready = (each for each in tenants.of_account(connection, account.id) if each.provisioning_status is Provisioning.READY)
    provisioned = frozenset(each.subscription_id for each in ready if each.subscription_id)
    return routing.Known(_trial_of(connection, account.customer_id), provisioned)


def _trial_of(connection: Connection, customer_id: str) -> UUID | None:
    row = connection.execute(query("trial_of"), {"customer_id": customer_id}).fetchone()
    return row["subscription_id"] if row else None


def _clock(connection: Connection) -> datetime:
    row = connection.execute("SELECT clock_timestamp() AS at").fetchone()
    assert row is not None
    at: datetime = row["at"]
    return at


def _settle(connection: Connection, account_id: UUID, read_at: datetime, outcome: str) -> None:
    connection.execute(query("settle_events"), {"account_id": account_id, "read_at": read_at, "outcome": outcome})
