"""Pure: what Kill Bill says of an account -> the desired state of its tenants -> at most one verb per tenant.

An event is only a hint, so nothing here knows events: the answer depends on the last read of the account and on what the
registry holds, never on how many events came or in which order (docs/decisions.md: level-triggered).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.domain import trial
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import (
    Billing,
    Desired,
    Provisioning,
    Status,
    Verb,
    may_follow,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.subscription import (
    Account,
    Invoice,
    Phase,
    Subscription,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import Tenant


@dataclass(frozen=True)
class Known:
    """What the registry knows of the customer: whose trial it was, and which subscriptions have a provisioned tenant."""

    trial_of: UUID | None = None
    provisioned: frozenset[UUID] = frozenset()


@dataclass(frozen=True)
class Target:
    """What one subscription's tenant should be. ``billing`` is None where it stays as it is."""

    subscription: Subscription
    desired: Desired
    billing: Billing | None
    cancel_at: datetime | None
    reason: str
    claims_trial: bool = False


def desired(account: Account, known: Known) -> tuple[Target, ...]:
    """Return the desired state of each subscription of ``account``, oldest first; at most one claims the trial."""
    targets: list[Target] = []
    trial_of = known.trial_of
    for subscription in sorted(account.subscriptions, key=lambda each: (each.started_at, each.id)):
        target = _unless_blocked(_target(account, subscription, Known(trial_of, known.provisioned)), known)
        trial_of = subscription.id if target.claims_trial else trial_of
        targets.append(target)
    return tuple(targets)


def _unless_blocked(target: Target, known: Known) -> Target:
    """Let nothing run whose entitlement Kill Bill withholds (its bundle is paused, say), whatever is owed."""
    if not target.subscription.blocked or target.desired is not Desired.RUNNING:
        return target
    held = Desired.SUSPENDED if target.subscription.id in known.provisioned else Desired.WAITING
    return replace(target, desired=held, reason="blocked in Kill Bill", claims_trial=False)


def _target(account: Account, subscription: Subscription, known: Known) -> Target:
    match subscription.phase:
        case Phase.CANCELLED:
            return Target(subscription, Desired.TERMINATED, None, subscription.cancel_at, "cancelled")
        case Phase.PENDING:
            return Target(subscription, Desired.WAITING, Billing.PAYMENT_REQUIRED, subscription.cancel_at, "not started yet")
        case Phase.TRIAL:
            return _in_trial(account, subscription, known)
        case Phase.EVERGREEN:
            return _evergreen(account, subscription, provisioned=subscription.id in known.provisioned)


def _in_trial(account: Account, subscription: Subscription, known: Known) -> Target:
    if known.trial_of == subscription.id:
        return Target(subscription, Desired.RUNNING, Billing.TRIAL, subscription.cancel_at, "in trial")
    answer = trial.eligibility(
        had_trial=known.trial_of is not None, paid_active=has_paid_subscription(account.subscriptions), trial_days=0
    )
    if answer.eligible:
        return Target(subscription, Desired.RUNNING, Billing.TRIAL, subscription.cancel_at, "trial begins", claims_trial=True)
    reason = f"no trial ({answer.reason}): waiting for payment"
    return Target(subscription, Desired.WAITING, Billing.PAYMENT_REQUIRED, subscription.cancel_at, reason)


def has_paid_subscription(subscriptions: Iterable[Subscription]) -> bool:
    """Say whether one of them is past its trial and not cancelled: no trial beside it."""
    return any(each.phase is Phase.EVERGREEN for each in subscriptions)


def _evergreen(account: Account, subscription: Subscription, *, provisioned: bool) -> Target:
    invoices = [invoice for invoice in account.invoices if subscription.id in invoice.subscription_ids]
    owed = [invoice for invoice in invoices if invoice.balance > 0]
    failed = [invoice for invoice in owed if invoice.failed or account.overdue_state]
    paid = any(invoice.amount > 0 and invoice.balance <= 0 for invoice in invoices)
    if not provisioned:
        desired, billing, reason = _first_payment(failed, owed, paid=paid)
    elif failed:
        desired, reason = Desired.SUSPENDED, f"payment failed for invoice {failed[0].id}"
        billing = Billing.OVERDUE if account.overdue_state else Billing.SUSPENDED
    elif owed or not paid:
        desired, billing, reason = Desired.RUNNING, Billing.PAYMENT_REQUIRED, "payment required"
    else:
        desired, billing, reason = Desired.RUNNING, Billing.PAID, "paid"
    return Target(subscription, desired, billing, subscription.cancel_at, reason)


def _first_payment(failed: list[Invoice], owed: list[Invoice], *, paid: bool) -> tuple[Desired, Billing, str]:
    """Decide for a tenant that never was: it comes once something was paid for it, not while a payment has failed."""
    if failed:
        return Desired.WAITING, Billing.PAYMENT_REQUIRED, f"payment failed for invoice {failed[0].id}"
    if paid:
        return Desired.RUNNING, Billing.PAYMENT_REQUIRED if owed else Billing.PAID, "paid: provision"
    return Desired.WAITING, Billing.PAYMENT_REQUIRED, "waiting for payment"


def verb(tenant: Tenant, *, retry: bool = False) -> Verb | None:
    """Return the one thing to do now to bring a tenant to its desired state, or None.

    A tenant in error is only touched by hand (``retry``), and so is one whose move was left unfinished; one with an operation
    under way is left to it; one an operator stopped stays stopped, since billing only says that it may run. A plan that could
    not be applied is only tried again by hand.
    """
    if tenant.status is Status.TERMINATED or tenant.desired_state in (Desired.WAITING, Desired.MANUAL):
        return None
    if tenant.status in (Status.ERROR, Status.MIGRATING):
        return _again(tenant) if retry else None
    if tenant.operation is not None:
        return None
    return _next(tenant) or (Verb.RESIZE if _wants_other_plan(tenant, retry=retry) else None)


def may_retry(tenant: Tenant) -> bool:
    """Say whether the tenant's last run has left something that only a retry by hand does."""
    return tenant.status in (Status.ERROR, Status.MIGRATING) or has_failed_plan(tenant)


def has_failed_plan(tenant: Tenant) -> bool:
    """Say whether the plan that the tenant is to have could not be applied."""
    return tenant.failed_plan is not None and tenant.failed_plan == tenant.plan_name != tenant.applied_plan


def _wants_other_plan(tenant: Tenant, *, retry: bool) -> bool:
    if tenant.desired_state is not Desired.RUNNING or tenant.provisioning_status is not Provisioning.READY:
        return False
    if tenant.status not in (Status.RUNNING, Status.STOPPED) or tenant.plan_name == tenant.applied_plan:
        return False
    return retry or not has_failed_plan(tenant)


def _again(tenant: Tenant) -> Verb | None:
    """Return what a retry by hand does: a termination or a move that was begun is ended, whatever is wished now."""
    bound = may_follow(tenant.status, tenant.operation) != frozenset(Verb)
    return tenant.operation if bound else _next(tenant)


def _next(tenant: Tenant) -> Verb | None:
    ready = tenant.provisioning_status is Provisioning.READY
    failed = tenant.status is Status.ERROR
    match tenant.desired_state:
        case Desired.TERMINATED:
            return Verb.TERMINATE
        case Desired.RUNNING if not ready and (failed or tenant.status is Status.CREATING):
            return Verb.PROVISION
        case Desired.RUNNING if ready and (failed or tenant.status is Status.PAUSED):
            return Verb.RESUME
        case Desired.SUSPENDED if ready and (failed or tenant.status in (Status.RUNNING, Status.STOPPED)):
            return Verb.SUSPEND
    return None
