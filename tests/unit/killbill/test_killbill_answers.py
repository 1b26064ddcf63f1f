"""Kill Bill's answers of both versions: dates or moments, missing fields, add-ons, and the turns that need the clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.subscription import Account, Phase
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.account import read
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.api import read_access

_ACCOUNT, _SUBSCRIPTION, _INVOICE = (str(UUID(int=number)) for number in (1, 2, 3))
_EVENTS = sorted((Path(__file__).parents[2] / "fixtures/killbill_events").glob("*/*.json"))
_CLEAR = {"name": "__KILLBILL__CLEAR__OVERDUE_STATE__", "isClearState": True}


def _now() -> datetime:
    return datetime(2027, 1, 10, 12, tzinfo=UTC)


def _no_clock() -> datetime:
    raise AssertionError("the clock was asked for without need")


def _subscription(**changes: Any) -> dict[str, Any]:
    fields = {"subscriptionId": _SUBSCRIPTION, "planName": "basic-monthly", "phaseType": "EVERGREEN", "state": "ACTIVE"}
    return {**fields, "startDate": "2027-01-01", "cancelledDate": None, "billingEndDate": None, **changes}


def _invoice(**changes: Any) -> dict[str, Any]:
    items = [{"subscriptionId": _SUBSCRIPTION}, {"subscriptionId": None}]
    fields = {"invoiceId": _INVOICE, "status": "COMMITTED", "amount": 10.0, "balance": 10.0, "invoiceDate": "2027-01-10"}
    return {**fields, "items": items, **changes}


def _try(status: str, kind: str = "PURCHASE", when: str = "2027-01-10T00:00:01.000Z") -> dict[str, Any]:
    return {"status": status, "transactionType": kind, "effectiveDate": when}


def _read(
    subscription: dict[str, Any] | None = None,
    invoice: dict[str, Any] | None = None,
    tries: list[dict[str, Any]] | None = None,
    *,
    method: str | None = "card",
    overdue: dict[str, Any] | None = None,
    clock: Any = _no_clock,
) -> Account:
    timeline = {
        "account": {"accountId": _ACCOUNT, "externalKey": "acme", "currency": "USD", "paymentMethodId": method},
        "bundles": [{"externalKey": "acme", "subscriptions": [subscription or _subscription()]}],
        "payments": [{"targetInvoiceId": _INVOICE, "transactions": tries}] if tries else None,
    }
    return read(timeline, [invoice] if invoice else [], overdue or _CLEAR, clock)


def test_dates_of_022_and_moments_of_024_are_the_same() -> None:
    dates = _subscription(cancelledDate="2027-02-01", billingEndDate="2027-02-01")
    moments = {**dates, "startDate": "2027-01-01T00:00:00.000Z", "cancelledDate": "2027-02-01T00:00:00.000Z"}
    moments["billingEndDate"] = "2027-02-01T01:00:00.000+01:00"
    assert _read(dates) == _read(moments)
    assert _read(dates).subscriptions[0].cancel_at == datetime(2027, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "phase_type", "phase"),
    [
        ("PENDING", None, Phase.PENDING),
        ("ACTIVE", "TRIAL", Phase.TRIAL),
        ("ACTIVE", "DISCOUNT", Phase.EVERGREEN),
        ("ACTIVE", "FIXEDTERM", Phase.EVERGREEN),
        ("ACTIVE", "EVERGREEN", Phase.EVERGREEN),
        ("BLOCKED", "TRIAL", Phase.TRIAL),
        ("CANCELLED", "TRIAL", Phase.CANCELLED),
        ("EXPIRED", "FIXEDTERM", Phase.CANCELLED),
    ],
)
def test_the_phase_follows_from_kill_bills_state(state: str, phase_type: str | None, phase: Phase) -> None:
    assert _read(_subscription(state=state, phaseType=phase_type)).subscriptions[0].phase is phase


@pytest.mark.parametrize(
    ("billing_end", "phase"),
    [("2027-01-09", Phase.CANCELLED), ("2027-01-10", Phase.CANCELLED), ("2027-01-11", Phase.EVERGREEN)],
)
def test_a_subscription_lasts_as_long_as_it_is_paid(billing_end: str, phase: Phase) -> None:
    data = _subscription(state="CANCELLED", cancelledDate="2027-01-05", billingEndDate=billing_end)
    assert _read(data, clock=_now).subscriptions[0].phase is phase


def test_blocked_is_not_a_phase() -> None:
    subscription = _read(_subscription(state="BLOCKED")).subscriptions[0]
    assert (subscription.blocked, subscription.phase) == (True, Phase.EVERGREEN)


def test_add_ons_are_no_tenants() -> None:
    assert _read(_subscription(productCategory="ADD_ON")).subscriptions == ()


@pytest.mark.parametrize(
    ("tries", "failed", "pending"),
    [
        ([_try("PAYMENT_FAILURE")], True, False),
        ([_try("PLUGIN_FAILURE")], True, False),
        ([_try("PENDING")], False, True),
        ([_try("UNKNOWN")], False, True),
        ([_try("SUCCESS")], False, False),  # a part was paid
        ([_try("PAYMENT_FAILURE"), _try("SUCCESS", when="2027-01-18T00:00:00.000Z")], False, False),
        ([_try("SUCCESS", when="2027-01-18T00:00:00.000Z"), _try("PAYMENT_FAILURE")], False, False),
        ([_try("SUCCESS"), _try("SUCCESS", "CHARGEBACK", "2027-01-18T00:00:00.000Z")], True, False),
        ([_try("SUCCESS"), _try("SUCCESS", "CHARGEBACK")], True, False),  # within a second
        ([_try("SUCCESS"), _try("SUCCESS", "REFUND", "2027-01-18T00:00:00.000Z")], False, False),
        ([_try("SUCCESS"), _try("PAYMENT_FAILURE", "REFUND", "2027-01-18T00:00:00.000Z")], False, False),
    ],
)
def test_the_last_try_decides(tries: list[dict[str, Any]], failed: bool, pending: bool) -> None:
    invoice = _read(None, _invoice(), tries).invoices[0]
    assert (invoice.failed, invoice.pending) == (failed, pending)


def test_what_is_paid_has_not_failed_whatever_was_tried() -> None:
    invoice = _read(None, _invoice(balance=0.0), [_try("PAYMENT_FAILURE")], method=None).invoices[0]
    assert (invoice.failed, invoice.pending, invoice.balance, invoice.amount) == (False, False, Decimal(0), Decimal(10))


@pytest.mark.parametrize(
    ("method", "date", "failed"),
    [(None, "2027-01-10", True), ("card", "2027-01-10", False), ("card", "2027-01-09", True)],
)
def test_nothing_tried(method: str | None, date: str, failed: bool) -> None:
    assert _read(None, _invoice(invoiceDate=date), method=method, clock=_now).invoices[0].failed is failed


@pytest.mark.parametrize("status", ["DRAFT", "VOID"])
def test_only_committed_invoices_count(status: str) -> None:
    assert _read(None, _invoice(status=status)).invoices == ()


def test_the_subscriptions_of_an_invoice_are_those_of_its_items() -> None:
    assert _read(None, _invoice(), [_try("SUCCESS")]).invoices[0].subscription_ids == {UUID(_SUBSCRIPTION)}


@pytest.mark.parametrize(("overdue", "state"), [(_CLEAR, ""), ({"name": "BLOCKED"}, "BLOCKED"), ({"name": None}, "")])
def test_the_overdue_state(overdue: dict[str, Any], state: str) -> None:
    assert _read(overdue=overdue).overdue_state == state


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"url": "http://x"}', "no json"])
def test_an_unfit_access_file_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "killbill.json"
    file.touch(mode=0o600)
    file.write_text(content)
    with pytest.raises(InvalidInput):
        read_access(file)


@pytest.mark.parametrize("change", [{"password": ""}, {"api_key": 1}, {"url": "file:///etc/passwd"}])
def test_an_access_file_has_text_in_every_field_and_a_web_address(tmp_path: Path, change: dict[str, Any]) -> None:
    access = {"url": "http://x", "user": "u", "password": "very-secret", "api_key": "k", "api_secret": "s"}
    file = tmp_path / "killbill.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(access))
    assert "very-secret" not in repr(read_access(file))
    file.write_text(json.dumps(access | change))
    with pytest.raises(InvalidInput):
        read_access(file)


def test_the_captured_events_are_of_both_versions_and_as_sent() -> None:
    assert {file.parent.name for file in _EVENTS} == {"0.22.26", "0.24.19"}
    for file in _EVENTS:
        captured = json.loads(file.read_text())
        assert json.loads(captured["raw_body"]) == captured["body"]
        assert set(captured["body"]) == {"eventType", "accountId", "objectType", "objectId", "metaData"}
