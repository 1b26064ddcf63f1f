"""The sync of one account: re-read it from Kill Bill, write down what its tenants should be, queue what is to be done.

Everything one reading of Kill Bill leads to is one transaction: a sync killed anywhere has either done it all or nothing. Within
it each subscription has a savepoint, so that what can't be done of one leaves the others as they should be.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import psycopg

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing import desired_state
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.subscription import Account, Phase, Subscription
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import wish
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Desired, Provisioning, Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.text import recordable
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import NotFound, PlatformError
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import plans, tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import clock
from webhook_runner import queue, runs
from webhook_runner.database import Connection
from webhook_runner.services import Services
from webhook_runner.settings import Settings

# What may be wrong with one subscription: what the platform refuses, and what the registry does not hold.
_FAULTS = (PlatformError, psycopg.DataError, psycopg.IntegrityError, UnicodeError)
# A customer has one account; a Kill Bill set up anew gives it another id.
_RECORD_ACCOUNT = """
INSERT INTO billing.accounts (account_id, customer_id, overdue_state, balance, paid_active)
VALUES (%(account_id)s, %(customer_id)s, %(overdue_state)s, %(balance)s, %(paid_active)s)
ON CONFLICT (customer_id) DO UPDATE SET account_id = EXCLUDED.account_id, overdue_state = EXCLUDED.overdue_state,
    balance = EXCLUDED.balance, paid_active = EXCLUDED.paid_active, synced_at = now()
"""
_CLAIM_TRIAL = """
INSERT INTO billing.trials (customer_id, subscription_id) VALUES (%(customer_id)s, %(subscription_id)s)
ON CONFLICT DO NOTHING
"""
_TRIAL_OF = "SELECT subscription_id FROM billing.trials WHERE customer_id = %(customer_id)s"
# What came before the account was read is answered by that reading.
_SETTLE_EVENTS = """
UPDATE ops.events SET handled_at = clock_timestamp(), outcome = %(outcome)s
WHERE account_id = %(account_id)s AND handled_at IS NULL AND received_at <= %(read_at)s
"""


def sync(services: Services, account_id: UUID, *, cause: str, correlation_id: str) -> str:
    """Bring the registry's account and tenants to what Kill Bill says now; return the outcome in words.

    Raises Unavailable when Kill Bill or the registry is away; the account's events then stay open.
    """
    with services.registry.transaction() as connection:
        read_at = clock(connection)
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
    account = account.recordable()
    connection.execute(
        _RECORD_ACCOUNT,
        {
            "account_id": account.id,
            "customer_id": account.customer_id,
            "overdue_state": account.overdue_state,
            "balance": sum(invoice.balance for invoice in account.invoices),
            "paid_active": desired_state.has_paid_subscription(account.subscriptions),
        },
    )
    outcomes: dict[UUID, str] = {}
    for subscription in desired_state.oldest_first(account):
        with _apart(connection, subscription, outcomes):
            if subscription.phase is not Phase.CANCELLED and tenants.of_subscription(connection, subscription.id) is None:
                _create(connection, account, subscription, settings)
    targets = desired_state.desired(account, _known(connection, account))
    for target in targets:
        if target.subscription.id not in outcomes:
            with _apart(connection, target.subscription, outcomes):
                outcome = _converge(connection, account, target, cause=cause, correlation_id=correlation_id)
                outcomes[target.subscription.id] = outcome
    named = ((target.subscription.bundle_key, outcomes[target.subscription.id]) for target in targets)
    return "; ".join(f"{name}: {outcome}" for name, outcome in named) or "no subscription"


@contextmanager
def _apart(connection: Connection, subscription: Subscription, outcomes: dict[UUID, str]) -> Iterator[None]:
    """Undo what was written of one subscription, and only that, when something is wrong with it; the outcome then says what."""
    try:
        with connection.transaction():
            yield
    except _FAULTS as error:
        outcomes[subscription.id] = recordable(str(error))


def _converge(connection: Connection, account: Account, target: desired_state.Target, *, cause: str, correlation_id: str) -> str:
    target = _with_trial(connection, account, target)
    tenant = tenants.of_subscription(connection, target.subscription.id)
    if tenant is None:
        return f"{target.reason} before there was a tenant"
    if tenant.status is Status.TERMINATED:
        return "terminated"
    tenant, trouble = _record(connection, tenant, target)
    verb = wish.verb(tenant, held=runs.held(connection, tenant))
    if verb is not None:
        job = queue.converge_tenant(tenant.id, verb, cause=cause, correlation_id=correlation_id)
        queue.defer(connection, job)
    what = f", {verb}" if verb else f", error: {tenant.status_message}" if tenant.status is Status.ERROR else ""
    return f"{target.reason}{what}{trouble}"


def _with_trial(connection: Connection, account: Account, target: desired_state.Target) -> desired_state.Target:
    """Claim the customer's one trial; whoever else was faster in another account or sync has it, and this one waits."""
    if not target.claims_trial:
        return target
    values = {"customer_id": account.customer_id, "subscription_id": target.subscription.id}
    connection.execute(_CLAIM_TRIAL, values)
    known = _known(connection, account)
    return next(each for each in desired_state.desired(account, known) if each.subscription.id == target.subscription.id)


def _create(connection: Connection, account: Account, subscription: Subscription, settings: Settings) -> None:
    """Record the subscription's tenant; one that can't be as asked is recorded in error, with the reason, for somebody to see."""
    try:
        with connection.transaction():
            _insert(connection, account, subscription, settings, subdomain=subscription.bundle_key)
    except _FAULTS as error:
        trouble = recordable(str(error))
        tenant = _insert(connection, account, subscription, settings, subdomain=None)
        tenants.change(connection, tenant.id, lambda each: (replace(each, status=Status.ERROR, status_message=trouble),))


def _insert(
    connection: Connection, account: Account, subscription: Subscription, settings: Settings, *, subdomain: str | None
) -> Tenant:
    return tenants.create(
        connection,
        subdomain=subdomain,
        customer_id=account.customer_id,
        plan_name=subscription.plan_name,
        odoo_version=settings.odoo_version,
        ports=range(settings.tenant_ports, settings.tenant_ports_end + 1),
        account_id=account.id,
        subscription_id=subscription.id,
        desired_state=Desired.WAITING,
    )


def _record(connection: Connection, tenant: Tenant, target: desired_state.Target) -> tuple[Tenant, str]:
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


def _known(connection: Connection, account: Account) -> desired_state.Known:
    known = {each.subscription_id: each for each in tenants.of_account(connection, account.id)}
    provisioned = (each for each, tenant in known.items() if tenant.provisioning_status is Provisioning.READY)
    wanting = {each.id for each in account.subscriptions if each.id not in known or known[each.id].subdomain is None}
    return desired_state.Known(
        _trial_of(connection, account.customer_id), frozenset(filter(None, provisioned)), frozenset(wanting)
    )


def _trial_of(connection: Connection, customer_id: str) -> UUID | None:
    row = connection.execute(_TRIAL_OF, {"customer_id": customer_id}).fetchone()
    return row["subscription_id"] if row else None


def _settle(connection: Connection, account_id: UUID, read_at: datetime, outcome: str) -> None:
    connection.execute(_SETTLE_EVENTS, {"account_id": account_id, "read_at": read_at, "outcome": outcome})
