"""What Kill Bill says of an account at each turn of a customer's life: the adapter against a real Kill Bill and its clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.subscription import (
    Account,
    Invoice,
    Phase,
    Subscription,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    Unauthorized,
    Unavailable,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.account import KillBill
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.api import Api, read_access
from demo.customer import Customer
from tests.fixtures.killbill import Receiver, Shop
from tests.fixtures.postgres import free_port


def _open(customer: Customer, plan: str, *, card: bool = True) -> tuple[UUID, UUID]:
    account = customer.create_account(f"customer-{uuid4().hex[:8]}")
    if card:
        customer.add_payment_method(account)
    subscription = customer.subscribe(account, plan, f"tenant-{uuid4().hex[:8]}")
    customer.settle()
    return account, subscription


def _owed(account: Account) -> list[Invoice]:
    return [invoice for invoice in account.invoices if invoice.balance > 0]


def _only(account: Account) -> Subscription:
    assert len(account.subscriptions) == 1
    return account.subscriptions[0]


def _pass(customer: Customer, days: int) -> None:
    customer.pass_days(days)
    customer.settle()


def test_a_trial_owes_nothing(shop: Shop) -> None:
    account_id, subscription_id = _open(shop.customer, "basic-monthly", card=False)
    account = shop.platform.read_account(account_id)
    subscription = _only(account)
    assert (subscription.id, subscription.phase, subscription.plan_name) == (subscription_id, Phase.TRIAL, "basic-monthly")
    assert (subscription.cancel_at, subscription.blocked, account.overdue_state) == (None, False, "")
    assert subscription.bundle_key.startswith("tenant-")
    assert account.customer_id.startswith("customer-")
    assert account.currency == "USD"
    assert [(invoice.amount, invoice.failed, invoice.subscription_ids) for invoice in account.invoices] == [
        (Decimal(0), False, frozenset({subscription_id}))
    ]


def test_a_refused_card_at_the_end_of_the_trial_then_paid_then_cancelled(shop: Shop, webhook_receiver: Receiver) -> None:
    account_id, subscription_id = _open(shop.customer, "basic-test-trial")
    shop.customer.set_payments("fail")
    _pass(shop.customer, 1)
    webhook_receiver.wait_for("INVOICE_PAYMENT_FAILED")
    account = shop.platform.read_account(account_id)
    assert _only(account).phase is Phase.EVERGREEN
    assert [(invoice.balance, invoice.failed, invoice.pending, invoice.subscription_ids) for invoice in _owed(account)] == [
        (Decimal(10), True, False, frozenset({subscription_id}))
    ]
    shop.customer.set_payments("succeed")
    assert shop.customer.pay(account_id) == Decimal(10)
    webhook_receiver.wait_for("INVOICE_PAYMENT_SUCCESS")
    assert _owed(shop.platform.read_account(account_id)) == []

    shop.customer.cancel(subscription_id)
    requested = _only(shop.platform.read_account(account_id))
    assert requested.phase is Phase.EVERGREEN
    assert requested.cancel_at is not None
    assert requested.cancel_at > shop.platform.now() + timedelta(days=25)
    _pass(shop.customer, 32)
    effective = _only(shop.platform.read_account(account_id))
    assert effective == replace(requested, phase=Phase.CANCELLED)


def test_the_retry_of_a_refused_card_that_works_pays(shop: Shop) -> None:
    shop.customer.set_payments("fail")
    account_id, _ = _open(shop.customer, "basic-immediate")
    assert [invoice.failed for invoice in _owed(shop.platform.read_account(account_id))] == [True]
    shop.customer.set_payments("succeed")
    _pass(shop.customer, 8)
    account = shop.platform.read_account(account_id)
    assert (_owed(account), account.overdue_state) == ([], "")


def test_no_payment_method_is_a_failure_and_adding_one_does_not_pay(shop: Shop) -> None:
    account_id, _ = _open(shop.customer, "basic-immediate", card=False)
    account = shop.platform.read_account(account_id)
    assert [(invoice.failed, invoice.pending) for invoice in _owed(account)] == [(True, False)]
    assert _only(account).phase is Phase.EVERGREEN
    _pass(shop.customer, 1)
    shop.customer.add_payment_method(account_id)
    shop.customer.settle()
    assert [invoice.failed for invoice in _owed(shop.platform.read_account(account_id))] == [True]


def test_a_payment_not_decided_is_neither_paid_nor_failed(shop: Shop) -> None:
    shop.customer.set_payments("pend")
    account_id, _ = _open(shop.customer, "basic-immediate")
    assert [(i.failed, i.pending) for i in _owed(shop.platform.read_account(account_id))] == [(False, True)]


def test_a_payment_at_once(shop: Shop, webhook_receiver: Receiver) -> None:
    account_id, subscription_id = _open(shop.customer, "basic-immediate")
    event = webhook_receiver.wait_for("INVOICE_PAYMENT_SUCCESS")
    assert event.body["accountId"] == str(account_id)
    account = shop.platform.read_account(account_id)
    assert [(i.amount, i.balance, i.subscription_ids) for i in account.invoices] == [
        (Decimal(10), Decimal(0), frozenset({subscription_id}))
    ]


def test_a_charge_taken_back_is_a_failure(shop: Shop) -> None:
    account_id, _ = _open(shop.customer, "basic-immediate")
    payment = shop.api.get(f"/1.0/kb/accounts/{account_id}/payments")[0]["paymentId"]
    shop.api.post(f"/1.0/kb/invoicePayments/{payment}/chargebacks", {"paymentId": payment, "amount": 10, "currency": "USD"})
    shop.customer.settle()
    assert [(i.balance, i.failed) for i in _owed(shop.platform.read_account(account_id))] == [(Decimal(10), True)]


@pytest.mark.parametrize("plan", ["basic-monthly", "basic-immediate"])
def test_cancelled_at_once(shop: Shop, plan: str) -> None:
    account_id, subscription_id = _open(shop.customer, plan)
    shop.customer.cancel(subscription_id, "IMMEDIATE")
    shop.customer.settle()
    assert _only(shop.platform.read_account(account_id)).phase is Phase.CANCELLED


def test_cancelled_in_trial_ends_at_once(shop: Shop) -> None:
    account_id, subscription_id = _open(shop.customer, "basic-monthly")
    shop.customer.cancel(subscription_id)
    shop.customer.settle()
    assert _only(shop.platform.read_account(account_id)).phase is Phase.CANCELLED


def test_cancelled_without_a_policy_runs_until_what_is_paid_ends(shop: Shop) -> None:
    account_id, subscription_id = _open(shop.customer, "basic-immediate")
    shop.api.delete(f"/1.0/kb/subscriptions/{subscription_id}")
    shop.customer.settle()
    subscription = _only(shop.platform.read_account(account_id))
    assert subscription.phase is Phase.EVERGREEN
    assert subscription.cancel_at is not None
    assert subscription.cancel_at > shop.platform.now() + timedelta(days=25)
    _pass(shop.customer, 32)
    assert _only(shop.platform.read_account(account_id)).phase is Phase.CANCELLED


def test_a_change_of_plan_counts_once_it_is_in_effect(shop: Shop, webhook_receiver: Receiver) -> None:
    account_id, subscription_id = _open(shop.customer, "basic-immediate")
    _pass(shop.customer, 20)  # past the trial that the other plan begins with
    shop.customer.change_plan(subscription_id, "standard-monthly", "END_OF_TERM")
    webhook_receiver.wait_for("SUBSCRIPTION_CHANGE")
    shop.customer.settle()
    requested = _only(shop.platform.read_account(account_id))
    assert (requested.plan_name, requested.phase) == ("basic-immediate", Phase.EVERGREEN)
    shop.customer.undo_change(subscription_id)
    _pass(shop.customer, 20)  # past the end of the term
    undone = _only(shop.platform.read_account(account_id))
    assert (undone.plan_name, undone.phase) == ("basic-immediate", Phase.EVERGREEN)
    shop.customer.change_plan(subscription_id, "standard-monthly")
    shop.customer.settle()
    effective = _only(shop.platform.read_account(account_id))
    assert (effective.id, effective.plan_name, effective.phase) == (subscription_id, "standard-monthly", Phase.EVERGREEN)
    shop.customer.change_plan(subscription_id, "basic-immediate", "END_OF_TERM")
    shop.customer.settle()
    assert _only(shop.platform.read_account(account_id)).plan_name == "standard-monthly"
    _pass(shop.customer, 32)
    assert _only(shop.platform.read_account(account_id)).plan_name == "basic-immediate"


def test_a_change_in_the_first_days_gives_no_trial_of_the_other_plan(shop: Shop) -> None:
    account_id, subscription_id = _open(shop.customer, "basic-immediate")
    shop.customer.change_plan(subscription_id, "standard-monthly")
    shop.customer.settle()
    changed = _only(shop.platform.read_account(account_id))
    assert (changed.plan_name, changed.phase) == ("standard-monthly", Phase.EVERGREEN)


def test_overdue_warns_blocks_and_clears_when_paid(shop: Shop, webhook_receiver: Receiver) -> None:
    shop.customer.set_payments("fail")
    account_id, _ = _open(shop.customer, "basic-immediate")
    _pass(shop.customer, 8)
    warned = shop.platform.read_account(account_id)
    assert (warned.overdue_state, _only(warned).blocked) == ("WARNING", False)
    _pass(shop.customer, 7)
    blocked = shop.platform.read_account(account_id)
    assert (blocked.overdue_state, _only(blocked).blocked, _only(blocked).phase) == ("BLOCKED", True, Phase.EVERGREEN)
    webhook_receiver.wait_for("OVERDUE_CHANGE")
    shop.customer.set_payments("succeed")
    shop.customer.pay(account_id)
    shop.customer.settle()
    paid = shop.platform.read_account(account_id)
    assert (paid.overdue_state, _only(paid).blocked, _owed(paid)) == ("", False, [])


def test_overdue_cancels_in_the_end(shop: Shop) -> None:
    account_id, _ = _open(shop.customer, "basic-immediate", card=False)
    _pass(shop.customer, 23)
    account = shop.platform.read_account(account_id)
    assert (account.overdue_state, _only(account).phase) == ("CANCELLATION", Phase.CANCELLED)


def test_a_paused_bundle_is_blocked_until_it_is_resumed(shop: Shop) -> None:
    account_id, _ = _open(shop.customer, "basic-immediate")
    bundle = UUID(shop.api.get(f"/1.0/kb/accounts/{account_id}/bundles")[0]["bundleId"])
    shop.customer.pause(bundle)
    shop.customer.settle()
    paused = shop.platform.read_account(account_id)
    assert (_only(paused).blocked, paused.overdue_state, _owed(paused)) == (True, "", [])
    shop.customer.resume(bundle)
    shop.customer.settle()
    assert _only(shop.platform.read_account(account_id)).blocked is False


def test_two_subscriptions_are_kept_apart(shop: Shop) -> None:
    account_id, first = _open(shop.customer, "basic-immediate")
    second = shop.customer.subscribe(account_id, "premium-monthly", f"tenant-{uuid4().hex[:8]}")
    shop.customer.settle()
    account = shop.platform.read_account(account_id)
    assert {each.id: each.phase for each in account.subscriptions} == {first: Phase.EVERGREEN, second: Phase.TRIAL}
    assert {each.id for each in account.subscriptions} == {i for invoice in account.invoices for i in invoice.subscription_ids}


def test_the_accounts_are_listed(shop: Shop) -> None:
    made = {shop.customer.create_account(f"customer-{uuid4().hex[:8]}") for _ in range(3)}
    assert set(shop.platform.accounts()) == made


def test_a_customer_is_found_again_and_not_made_twice(shop: Shop) -> None:
    account_id = shop.customer.create_account("acme")
    assert (shop.customer.find_account("acme"), shop.customer.find_account("nobody")) == (account_id, None)
    with pytest.raises(Conflict):
        shop.customer.create_account("acme")


def test_errors_say_what_is_wrong_and_never_a_secret(shop: Shop, killbill_access: Path) -> None:
    access = read_access(killbill_access)
    with pytest.raises(NotFound):
        shop.platform.read_account(uuid4())
    with pytest.raises(InvalidInput, match="HTTP 4"):
        shop.customer.subscribe(shop.customer.create_account("acme"), "no-such-plan", "acme")
    for wrong in (replace(access, password="wrong"), replace(access, api_secret="wrong"), replace(access, api_key="wrong")):
        with pytest.raises(Unauthorized) as refused:
            list(KillBill(wrong.url, wrong.user, wrong.password, wrong.api_key, wrong.api_secret).accounts())
        assert access.api_secret not in str(refused.value)
        assert access.password not in str(refused.value)
    away = Api(replace(access, url=f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(Unavailable) as gone:
        away.post("/1.0/kb/tenants/registerNotificationCallback", cb="http://127.0.0.1/very-secret")
    assert "very-secret" not in repr(gone.value.as_dict())


def test_what_is_no_kill_bill_is_unavailable(shop: Shop, webhook_receiver: Receiver) -> None:
    access = replace(read_access(shop.file), url=webhook_receiver.url)
    with pytest.raises(Unavailable):
        KillBill(access.url, access.user, access.password, access.api_key, access.api_secret).read_account(uuid4())
