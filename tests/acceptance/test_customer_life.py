"""Customers' lives through the real Kill Bill and its clock, judged at Odoo, Postgres, registry and Kill Bill alike."""

from __future__ import annotations

import uuid

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.subscription import Phase
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Billing, Provisioning, Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from demo.platform import Platform
from demo.timeline import wait_until
from tests.acceptance.evidence import gather, stray
from tests.fixtures.platform import LocalPlatform

_OK, _SUSPENDED, _UNKNOWN = 200, 503, 404
_PATIENCE = 240  # seconds; the machine may be busy


def until(platform: Platform, name: str, what: str, **expected: object) -> Tenant:
    """Wait until the tenant's record says ``expected``, and return it."""

    def holds() -> bool:
        return all(getattr(platform.tenant(name), field) == value for field, value in expected.items())

    wait_until(f"{name}: {what} ({expected})", holds, _PATIENCE)
    return platform.tenant(name)


def answers(platform: Platform, name: str, status: int) -> None:
    """Wait until a visitor of the tenant gets ``status``."""
    wait_until(f"{name} answers {status}", lambda: platform.status_of(name) == status, _PATIENCE)


def test_a_customers_life(platform: LocalPlatform) -> None:
    shop, home = Platform.here(platform.environment), platform.home
    name = f"life-{uuid.uuid4().hex[:6]}"
    customer, account = shop.customer, shop.open_account(name)

    subscription = customer.subscribe(account, "basic-test-trial", name)
    answers(shop, name, _OK)
    tenant = until(shop, name, "in trial", status=Status.RUNNING, billing_status=Billing.TRIAL, operation=None)
    assert tenant.provisioning_status is Provisioning.READY
    assert tenant.subscription_id == subscription
    note = shop.log_in(name).create("res.partner", {"name": "written in the trial"})
    seen = gather(shop, home)
    assert (seen.databases.count(tenant.database_name), seen.places[str(tenant.id)]) == (1, "in_use")
    assert stray(seen) == []

    customer.set_payments("pend")
    shop.pass_days(1)
    until(shop, name, "the trial is over, payment required", billing_status=Billing.PAYMENT_REQUIRED)
    assert shop.billing.read_account(account).subscriptions[0].phase is Phase.EVERGREEN
    assert shop.status_of(name) == _OK, "a payment that is not decided yet suspends nobody"

    customer.set_payments("succeed")
    customer.pay(account)
    until(shop, name, "paid", billing_status=Billing.PAID, status=Status.RUNNING)

    customer.set_payments("fail")
    shop.pass_days(31)
    answers(shop, name, _SUSPENDED)
    tenant = until(shop, name, "suspended", status=Status.PAUSED, operation=None)
    assert tenant.billing_status in (Billing.SUSPENDED, Billing.OVERDUE)
    seen = gather(shop, home)
    assert tenant.database_name in seen.databases, "suspension keeps the data"
    assert not [process for process in seen.processes if tenant.database_name in process]

    customer.set_payments("succeed")
    customer.pay(account)
    answers(shop, name, _OK)
    until(shop, name, "paid again", status=Status.RUNNING, billing_status=Billing.PAID)
    assert shop.log_in(name).read("res.partner", note, ["name"])["name"] == "written in the trial"

    customer.cancel(subscription)
    tenant = until(shop, name, "cancelled, still running", status=Status.RUNNING)
    wait_until("the end of the term is recorded", lambda: shop.tenant(name).cancel_at is not None, _PATIENCE)
    assert shop.status_of(name) == _OK

    shop.pass_days(32)
    until(shop, name, "terminated", status=Status.TERMINATED, provisioning_status=Provisioning.TERMINATED)
    answers(shop, name, _UNKNOWN)
    seen = gather(shop, home)
    assert not [process for process in seen.processes if tenant.database_name in process]
    assert not [route for route in seen.routes if route.startswith(f"{name}.")]
    assert stray(seen) == []


def test_without_a_trial_nothing_is_made_before_it_is_paid(platform: LocalPlatform) -> None:
    shop = Platform.here(platform.environment)
    name = f"pay-{uuid.uuid4().hex[:6]}"
    customer, account = shop.customer, shop.open_account(name)
    customer.set_payments("fail")
    customer.subscribe(account, "basic-immediate", name)
    wait_until(f"{name} is recorded", lambda: recorded(shop, name), _PATIENCE)
    tenant = until(shop, name, "waits for payment", status=Status.CREATING, billing_status=Billing.PAYMENT_REQUIRED)
    assert tenant.database_name not in gather(shop, platform.home).databases
    customer.set_payments("succeed")
    customer.pay(account)
    answers(shop, name, _OK)
    until(shop, name, "paid", status=Status.RUNNING, billing_status=Billing.PAID)


def test_a_subdomain_that_is_taken_is_told_and_harms_nobody(platform: LocalPlatform) -> None:
    shop = Platform.here(platform.environment)
    name = f"taken-{uuid.uuid4().hex[:6]}"
    first, second = shop.open_account(f"{name}-first"), shop.open_account(f"{name}-second")
    shop.customer.subscribe(first, "basic-test-trial", name)
    answers(shop, name, _OK)
    other = shop.customer.subscribe(second, "basic-test-trial", name.upper())  # another bundle to Kill Bill, the same name to DNS
    wait_until("the second is recorded in error", lambda: in_error(shop, other), _PATIENCE)
    assert shop.status_of(name) == _OK


def recorded(shop: Platform, name: str) -> bool:
    """Whether the registry knows the tenant."""
    return shop.find_tenant(name) is not None


def in_error(shop: Platform, subscription: uuid.UUID) -> bool:
    """Whether the subscription's tenant is in error, with a message that says why."""
    tenant = shop.tenant_of(subscription)
    return tenant is not None and tenant.status is Status.ERROR and "subdomain" in tenant.status_message
