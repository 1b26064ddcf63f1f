# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Kill Bill says of one account, as far as the platform acts on it. killbill.account reads it; desired_state decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from ..text import recordable


class Phase(StrEnum):
    """The phase a subscription is in now."""

    PENDING = "pending"
    TRIAL = "trial"
    EVERGREEN = "evergreen"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Subscription:
    """One subscription, which is one tenant. ``bundle_key`` is the bundle's externalKey: the subdomain asked for.

    ``blocked`` says that Kill Bill withholds the entitlement: the bundle is paused, or an overdue state blocks it.
    """

    id: UUID
    bundle_key: str
    plan_name: str
    phase: Phase
    started_at: datetime
    cancel_at: datetime | None  # the end of term, once cancellation is requested; in the past when cancelled
    blocked: bool = False

    def recordable(self) -> Subscription:
        """Return the subscription with its texts as the registry can hold them; see domain.text."""
        return replace(self, bundle_key=recordable(self.bundle_key), plan_name=recordable(self.plan_name))


@dataclass(frozen=True)
class Invoice:
    """One committed invoice. ``failed`` when collecting it was tried and failed, or cannot work (no payment method).

    ``pending`` when the last try is not decided yet. Neither is set while nothing was tried, which is so for the moment
    between an invoice and its payment. Only an invoice with a ``balance`` above 0 is failed or pending.
    """

    id: UUID
    subscription_ids: frozenset[UUID]
    amount: Decimal
    balance: Decimal
    failed: bool
    pending: bool


@dataclass(frozen=True)
class Account:
    """One account, with all its subscriptions (cancelled ones too) and invoices. ``overdue_state`` is '' when clear."""

    id: UUID
    customer_id: str
    currency: str
    overdue_state: str
    subscriptions: tuple[Subscription, ...]
    invoices: tuple[Invoice, ...]

    def recordable(self) -> Account:
        """Return the account with its texts as the registry can hold them; see domain.text."""
        return replace(
            self,
            customer_id=recordable(self.customer_id),
            overdue_state=recordable(self.overdue_state),
            subscriptions=tuple(each.recordable() for each in self.subscriptions),
        )
