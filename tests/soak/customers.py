"""Customers at Kill Bill, whose database may die under it: who is told "not now" asks again, and finds what had been done."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.killbill_customer import Customer
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, InvalidInput, Unavailable

_TRIES = 12
_PAUSE = 3.0  # seconds
_T = TypeVar("_T")


def insist(ask: Callable[[], _T]) -> _T | None:
    """Ask until Kill Bill answers; a refusal after it had not answered says that it had done what it was asked for."""
    for attempt in range(_TRIES):
        try:
            return ask()
        except Unavailable:
            if attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE)
        except (Conflict, InvalidInput):
            if attempt == 0:
                raise
            return None
    return None


def subscribe(customer: Customer, plan_name: str, name: str) -> tuple[UUID, UUID]:
    """Return the account and the subscription of ``name``, and make what is not there of them."""
    account = insist(lambda: customer.find_account(name) or customer.create_account(name)) or customer.find_account(name)
    assert account is not None
    insist(lambda: customer.api.get(f"/1.0/kb/accounts/{account}/paymentMethods") or customer.add_payment_method(account))
    insist(lambda: _subscription(customer, account) or customer.subscribe(account, plan_name, name))
    subscription = insist(lambda: _subscription(customer, account))
    assert subscription is not None
    return account, subscription


def bundle_of(customer: Customer, account: UUID) -> UUID:
    """Return the account's one bundle."""
    return UUID(customer.api.get(f"/1.0/kb/accounts/{account}/bundles")[0]["bundleId"])


def _subscription(customer: Customer, account: UUID) -> UUID | None:
    bundles = customer.api.get(f"/1.0/kb/accounts/{account}/bundles")
    return UUID(bundles[0]["subscriptions"][0]["subscriptionId"]) if bundles else None
