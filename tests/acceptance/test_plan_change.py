"""A customer changes the plan in the real Kill Bill: the running Odoo gets what it gives, and nobody notices but for that."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Any
from uuid import UUID

import requests

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Billing, Status
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from demo.platform import Platform
from demo.timeline import wait_until
from tests.acceptance.test_customer_life import answers, until
from tests.fixtures.platform import LocalPlatform
from tests.fixtures.tenants import Tenants

_PATIENCE = 240  # seconds; the machine may be busy
_GIGABYTE = 2**30
_EVENTS = """
SELECT count(*) AS all, count(*) FILTER (WHERE handled_at IS NULL) AS open FROM ops.events
WHERE account_id = %s AND event_type = 'SUBSCRIPTION_CHANGE'
"""


class Visitor(threading.Thread):
    """Somebody who asks the tenant's Odoo for a page, again and again, and keeps what went wrong."""

    def __init__(self, shop: Platform, name: str) -> None:
        super().__init__(daemon=True)
        self.address = f"http://127.0.0.1:{shop.proxy_port}/web/login"
        self.headers = {"Host": f"{name}.{shop.base_domain}:{shop.proxy_port}"}
        self.visits, self.failures, self.done = 0, [], threading.Event()  # type: ignore[var-annotated]

    def run(self) -> None:
        while not self.done.wait(0.05):
            self.visits += 1
            try:
                answer = requests.get(self.address, headers=self.headers, timeout=60, allow_redirects=False)
                if answer.status_code != requests.codes.ok:
                    self.failures.append(answer.status_code)
            except requests.RequestException as error:
                self.failures.append(error)

    def __enter__(self) -> Visitor:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.join()


def ask(shop: Platform, statement: str, *values: object) -> dict[str, Any]:
    with registry.connect(shop.registry) as connection:
        row = connection.execute(statement, values).fetchone()
    assert row is not None
    return row


def all_changes_handled(shop: Platform, account: UUID, number: int) -> None:
    """Wait until at least ``number`` events about changes of plan came and all were answered."""

    def handled() -> bool:
        seen = ask(shop, _EVENTS, account)
        return bool(seen["all"] >= number and seen["open"] == 0)

    wait_until(f"{number} changes of plan are handled", handled, _PATIENCE)


def resizes(shop: Platform, tenant: UUID) -> int:
    count = ask(shop, "SELECT count(*) AS value FROM ops.runs WHERE tenant_id = %s AND kind = 'resize'", tenant)
    return int(count["value"])


def limits(local: LocalPlatform, shop: Platform, name: str) -> tuple[int, int]:
    """Return the pid of the tenant's Odoo, and the gigabytes of address space that it may have."""
    pid = Tenants(local).process(shop.tenant(name))
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return pid, int(next(line for line in lines if line.startswith("Max address space")).split()[3]) // _GIGABYTE


def test_a_customer_changes_the_plan_and_works_on(platform: LocalPlatform) -> None:
    shop = Platform.here(platform.environment)
    name = f"grow-{uuid.uuid4().hex[:6]}"
    customer, account = shop.customer, shop.open_account(name)
    customer.set_payments("succeed")
    subscription = customer.subscribe(account, "basic-immediate", name)
    answers(shop, name, 200)
    tenant = until(shop, name, "runs, paid", status=Status.RUNNING, billing_status=Billing.PAID, applied_plan="basic-immediate")
    pid, space = limits(platform, shop, name)
    assert space == 4

    customer.change_plan(subscription, "standard-monthly", "END_OF_TERM")
    all_changes_handled(shop, account, 1)
    customer.undo_change(subscription)
    shop.pass_days(32)  # past the end of the term
    until(shop, name, "another term is paid", billing_status=Billing.PAID, operation=None)
    assert (shop.tenant(name).plan_name, resizes(shop, tenant.id)) == ("basic-immediate", 0)

    before = ask(shop, _EVENTS, account)["all"]
    with Visitor(shop, name) as visitor:
        customer.change_plan(subscription, "standard-monthly")
        until(shop, name, "the plan is applied", applied_plan="standard-monthly", operation=None, status=Status.RUNNING)
        all_changes_handled(shop, account, before + 1)
    assert visitor.visits > 0
    assert visitor.failures == []
    assert limits(platform, shop, name) == (pid, 8)
    assert resizes(shop, tenant.id) == 1

    customer.change_plan(subscription, "basic-immediate", "END_OF_TERM")
    shop.pass_days(32)
    smaller = until(shop, name, "the smaller plan is applied", applied_plan="basic-immediate", operation=None)
    assert "takes effect when Odoo is restarted" in smaller.status_message
    assert limits(platform, shop, name) == (pid, 8)
