# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tenants of an account should be, by what Kill Bill says of it (domain/tenant/wish.py: at most one verb for each).

An event is only a hint, so nothing here knows events: the answer depends on the last read of the account and on what the
registry holds, never on how many events came or in which order (docs/decisions.md: level-triggered).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ..tenant.status import Billing, Desired
from . import trial
from .subscription import Account, Invoice, Phase, Subscription


@dataclass(frozen=True)
class Known:
    """What the registry knows of the customer: whose trial it was, and which subscriptions have a provisioned tenant.

    The ``impossible`` subscriptions can have none as they are (an illegal name, say), so that none of them takes the trial.
    """

    trial_of: UUID | None = None
    provisioned: frozenset[UUID] = frozenset()
    impossible: frozenset[UUID] = frozenset()


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
    for subscription in oldest_first(account):
        target = _unless_blocked(_target(account, subscription, replace(known, trial_of=trial_of)), known)
        trial_of = subscription.id if target.claims_trial else trial_of
        targets.append(target)
    return tuple(targets)


def oldest_first(account: Account) -> list[Subscription]:
    """Return the subscriptions in the order in which they come by a name and the trial."""
    return sorted(account.subscriptions, key=lambda each: (each.started_at, each.id))


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
    if subscription.id in known.impossible:
        return Target(subscription, Desired.WAITING, Billing.PAYMENT_REQUIRED, subscription.cancel_at, "can't be as asked")
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
