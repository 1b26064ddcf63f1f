"""The sync of an account on a real registry: what Kill Bill says is written down, once, and its events are settled."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.subscription import (
    Account,
    Invoice,
    Phase,
    Subscription,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from tests.fixtures.registry import Registry
from tests.fixtures.runner import FakeKillBill, rows
from webhook_runner import inbox, intake
from webhook_runner.services import Services
from webhook_runner.sync import sync

START = datetime(2026, 1, 1, tzinfo=UTC)


def subscription(key: str = "acme", phase: Phase = Phase.TRIAL, **changes: Any) -> Subscription:
    return replace(Subscription(uuid.uuid4(), key, "basic-monthly", phase, START, None), **changes)


def account(*subscriptions: Subscription, customer: str = "c1") -> Account:
    return Account(uuid.uuid4(), customer, "USD", "", subscriptions, ())


def receive(services: Services, account_id: UUID) -> int:
    body = {"eventType": "SUBSCRIPTION_CREATION", "accountId": str(account_id)}
    with services.registry.transaction() as connection:
        return inbox.store(connection, intake.parse(json.dumps(body).encode()))


def read(services: Services, killbill: FakeKillBill, seen: Account) -> str:
    killbill.known[seen.id] = seen
    return sync(services, seen.id, cause="event:1", correlation_id=str(uuid.uuid4()))


def tenants(services: Services) -> list[dict[str, Any]]:
    return rows(services.settings, "SELECT * FROM tenant.tenants ORDER BY created_at")


def runs_wanted(services: Services) -> list[dict[str, Any]]:
    statement = "SELECT * FROM procrastinate_jobs WHERE task_name = 'converge_tenant' AND status = 'todo'"
    return rows(services.settings, statement)


def test_a_trial_becomes_a_tenant_and_one_run_however_often_it_is_read(services: Services, killbill: FakeKillBill) -> None:
    seen = account(subscription())
    killbill.known[seen.id] = seen
    events = [receive(services, seen.id) for _ in range(3)]
    for _ in range(3):
        read(services, killbill, seen)
    (tenant,) = tenants(services)
    assert (tenant["subdomain"], tenant["status"], tenant["desired_state"], tenant["billing_status"]) == (
        "acme",
        "creating",
        "running",
        "trial",
    )
    (job,) = runs_wanted(services)
    assert (job["lock"], job["queue_name"]) == (f"tenant:{tenant['id']}", "provisioning")
    assert rows(services.settings, "SELECT customer_id FROM billing.trials") == [{"customer_id": "c1"}]
    settled = rows(services.settings, "SELECT outcome FROM ops.events WHERE handled_at IS NOT NULL AND id = ANY (%s)", events)
    assert [row["outcome"] for row in settled] == ["acme: in trial, provision"] * 3
    journal = rows(services.settings, "SELECT actor, cause FROM ops.journal WHERE subject = %s", f"tenant:{tenant['id']}")
    assert {row["cause"] for row in journal} == {"event:1"}
    assert journal[0]["actor"].startswith("saasodoo_runner/")


def test_many_syncs_at_once_make_one_tenant_and_one_trial(services: Services, killbill: FakeKillBill) -> None:
    seen = account(subscription("one"), subscription("two"))
    killbill.known[seen.id] = seen

    def once(_: int) -> str:
        try:
            return read(services, killbill, seen)
        except Exception as error:  # noqa: BLE001 - the queue's lock per account keeps this from happening; here it may
            return type(error).__name__

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(once, range(8)))
    read(services, killbill, seen)
    found = {row["subdomain"]: (row["desired_state"], row["billing_status"]) for row in tenants(services)}
    assert sorted(found) == ["one", "two"]
    assert sorted(found.values()) == [("running", "trial"), ("waiting", "payment_required")]
    assert len(rows(services.settings, "SELECT FROM billing.trials")) == 1


def test_a_customer_gets_one_trial_for_life(services: Services, killbill: FakeKillBill) -> None:
    first = subscription("first")
    seen = account(first)
    read(services, killbill, seen)
    later = replace(seen, subscriptions=(replace(first, phase=Phase.CANCELLED), subscription("second")))
    assert "no trial (had_trial): waiting for payment" in read(services, killbill, later)
    assert [(row["subdomain"], row["desired_state"]) for row in tenants(services)] == [
        ("first", "terminated"),
        ("second", "waiting"),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"plan_name": "golden"}, "unknown plan 'golden'"),
        ({"bundle_key": "Not A Name"}, "illegal subdomain"),
        ({"bundle_key": "admin"}, "reserved subdomain"),
        ({"bundle_key": "xn--admin"}, "illegal subdomain"),
        ({"bundle_key": "a\0b"}, "illegal subdomain; found: a\ufffdb"),
        ({"bundle_key": "taken"}, "the subdomain 'taken' is taken"),
        ({"bundle_key": "TAKEN"}, "the subdomain 'taken' is taken"),
    ],
)
def test_what_cannot_be_is_shown_in_error_and_tried_no_more(
    services: Services, killbill: FakeKillBill, changes: dict[str, Any], message: str
) -> None:
    read(services, killbill, account(subscription("taken"), customer="other"))
    fine = subscription("fine", Phase.PENDING)
    seen = account(replace(subscription(), **changes), fine)
    event = receive(services, seen.id)
    for _ in range(2):
        outcome = read(services, killbill, seen)
        assert message in outcome
        assert "fine: not started yet" in outcome  # another's trouble is not this one's
    (broken,) = rows(services.settings, "SELECT * FROM tenant.tenants WHERE status = 'error'")
    assert message in broken["status_message"]
    assert broken["subdomain"] is None
    assert len(runs_wanted(services)) == 1  # that of "taken", none of the broken one
    (row,) = rows(services.settings, "SELECT outcome FROM ops.events WHERE id = %s", event)
    assert message in row["outcome"]


def test_a_change_to_an_unknown_plan_keeps_the_old_one_and_says_so(services: Services, killbill: FakeKillBill) -> None:
    wanted = subscription()
    seen = account(wanted)
    read(services, killbill, seen)
    changed = replace(seen, subscriptions=(replace(wanted, plan_name="golden"),))
    assert "unknown plan 'golden'" in read(services, killbill, changed)
    assert tenants(services)[0]["plan_name"] == "basic-monthly"


def test_billing_and_end_of_term_are_written_down(services: Services, killbill: FakeKillBill) -> None:
    wanted = subscription()
    seen = account(wanted)
    read(services, killbill, seen)
    end = START + timedelta(days=30)
    paid = Invoice(uuid.uuid4(), frozenset({wanted.id}), Decimal(10), Decimal(0), failed=False, pending=False)
    later = replace(seen, subscriptions=(replace(wanted, phase=Phase.EVERGREEN, cancel_at=end),), invoices=(paid,))
    read(services, killbill, later)
    (tenant,) = tenants(services)
    assert (tenant["billing_status"], tenant["cancel_at"], tenant["desired_state"]) == ("paid", end, "running")
    owed = replace(later, invoices=(replace(paid, balance=Decimal(10), failed=True),))
    read(services, killbill, owed)
    assert rows(services.settings, "SELECT balance FROM billing.accounts") == [{"balance": Decimal(10)}]


def test_a_subscription_cancelled_before_it_was_ever_seen_makes_no_tenant(services: Services, killbill: FakeKillBill) -> None:
    assert "before there was a tenant" in read(services, killbill, account(subscription(phase=Phase.CANCELLED)))
    assert tenants(services) == []


def test_kill_bill_away_leaves_events_open_and_an_unknown_account_settles_them(
    services: Services, killbill: FakeKillBill
) -> None:
    account_id = uuid.uuid4()
    receive(services, account_id)
    killbill.error = Unavailable("Kill Bill does not answer")
    with pytest.raises(Unavailable):
        sync(services, account_id, cause="", correlation_id="")
    assert rows(services.settings, "SELECT FROM ops.events WHERE handled_at IS NULL")
    killbill.error = None
    assert sync(services, account_id, cause="", correlation_id="") == "unknown to Kill Bill"
    assert not rows(services.settings, "SELECT FROM ops.events WHERE handled_at IS NULL")


def test_a_kill_bill_set_up_anew_takes_over_its_customers(services: Services, killbill: FakeKillBill) -> None:
    read(services, killbill, account())
    assert read(services, killbill, account()) == "no subscription"
    assert len(rows(services.settings, "SELECT FROM billing.accounts")) == 1


def test_trial_eligibility_follows_from_the_registry(services: Services, killbill: FakeKillBill) -> None:
    from webhook_runner.api.trials import _answer

    assert _answer(services, "c1").eligible
    wanted = subscription(phase=Phase.EVERGREEN)
    paid = Invoice(uuid.uuid4(), frozenset({wanted.id}), Decimal(10), Decimal(0), failed=False, pending=False)
    read(services, killbill, replace(account(wanted, customer="payer"), invoices=(paid,)))
    assert _answer(services, "payer").reason == "paid_subscription"
    read(services, killbill, account(subscription("two")))
    assert _answer(services, "c1").reason == "had_trial"


def test_with_an_unpaid_first_invoice_the_api_offers_no_trial_that_the_sync_would_refuse(
    services: Services, killbill: FakeKillBill
) -> None:
    from webhook_runner.api.trials import _answer

    wanted = subscription(phase=Phase.EVERGREEN)
    owed = Invoice(uuid.uuid4(), frozenset({wanted.id}), Decimal(10), Decimal(10), failed=False, pending=False)
    seen = replace(account(wanted, customer="debtor"), invoices=(owed,))
    read(services, killbill, seen)
    assert _answer(services, "debtor").reason == "paid_subscription"
    later = subscription("later", started_at=START + timedelta(days=1))
    assert "no trial (paid_subscription)" in read(services, killbill, replace(seen, subscriptions=(wanted, later)))
    read(services, killbill, replace(seen, subscriptions=(replace(wanted, phase=Phase.CANCELLED),), invoices=()))
    assert _answer(services, "debtor").eligible


def test_an_account_whose_key_tells_no_customer_is_shown_in_error(services: Services, killbill: FakeKillBill) -> None:
    for number, customer in enumerate((" ", "\0", "a\ud800")):
        read(services, killbill, account(subscription(f"name{number}"), customer=customer))
    found = tenants(services)
    assert [(row["status"], row["subdomain"]) for row in found] == [("error", None)] * 3
    assert all("illegal customer id" in row["status_message"] for row in found)
    assert rows(services.settings, "SELECT FROM billing.trials") == []


def test_what_the_registry_refuses_of_one_subscription_is_told_of_it_alone(
    services: Services, killbill: FakeKillBill, registry_roles: Registry
) -> None:
    bad, good = subscription("bad", plan_name="odd"), subscription("good", started_at=START + timedelta(days=1))
    with psycopg.connect(registry_roles.admin, autocommit=True) as admin:
        admin.execute("ALTER TABLE tenant.tenants ADD CONSTRAINT no_odd_plan CHECK (plan_name <> 'odd')")
    outcome = read(services, killbill, account(bad, good))
    assert "no_odd_plan" in outcome.split("; ")[0]
    assert outcome.endswith("good: in trial, provision")
    assert [(row["subdomain"], row["desired_state"]) for row in tenants(services)] == [("good", "running")]


def test_one_that_cannot_be_does_not_take_the_trial(services: Services, killbill: FakeKillBill) -> None:
    seen = account(subscription("admin"), subscription("good", started_at=START + timedelta(days=1)))
    for _ in range(2):
        read(services, killbill, seen)
    assert [(row["subdomain"], row["status"], row["desired_state"]) for row in tenants(services)] == [
        (None, "error", "waiting"),
        ("good", "creating", "running"),
    ]
