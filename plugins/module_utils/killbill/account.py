# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Kill Bill says of an account, read anew each time. Accepts the answers of 0.22 and 0.24.

What reading shows, as observed on 0.22.26 (tests/integration/killbill/test_killbill_life.py holds it):

- In trial: phase TRIAL, one invoice of 0. Nothing owed.
- Trial over, card refused: phase EVERGREEN, an invoice with a balance, ``failed``. Kill Bill tries again after 8 days by the
  same payment, so the last transaction counts. Paid, by whatever way: the balance is 0, at once.
- Trial over or subscription without trial, no payment method: the same, although no payment is recorded at all.
- Between invoice and payment: a balance, neither ``failed`` nor ``pending``. A payment not decided yet: ``pending``.
- Cancelled at the end of term: until then ACTIVE with a date in ``cancel_at``; then CANCELLED. A trial ends at once.
- Cancelled without a policy: the entitlement ends at once, billing at the end of term. The customer has paid until then,
  so the later of the two dates counts.
- Overdue, per account: WARNING changes nothing else; BLOCKED makes subscriptions ``blocked`` and stops their billing, and
  clears within moments of the payment; CANCELLATION cancels them. A paused bundle is ``blocked`` too, with nothing owed.
- Paid, then charged back: the balance is back, and the invoice is ``failed``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from ..domain.billing.subscription import Account, Invoice, Phase, Subscription
from ..errors import NotFound, Unavailable
from .api import Access, Api

_PAGE = 100  # accounts
_CLEAR = "__KILLBILL__CLEAR__OVERDUE_STATE__"
_TAKEN_BACK = "CHARGEBACK"
_FAILED = frozenset({"PAYMENT_FAILURE", "PLUGIN_FAILURE", "PAYMENT_SYSTEM_OFF"})
_UNDECIDED = frozenset({"PENDING", "UNKNOWN"})
_COLLECTING = frozenset({"PURCHASE", "CAPTURE"})

Clock = Callable[[], datetime]


class KillBill:
    """One Kill Bill tenant, as the platform reads it."""

    def __init__(self, url: str, user: str, password: str, api_key: str, api_secret: str) -> None:
        self.api = Api(Access(url, user, password, api_key, api_secret))

    def read_account(self, account_id: UUID) -> Account:
        """Return the account with all its subscriptions, cancelled ones too, and invoices, in three calls.

        A fourth, for Kill Bill's clock, is made only where its dates alone don't tell. Raises NotFound, Unavailable,
        or Unauthorized.
        """
        path = f"/1.0/kb/accounts/{account_id}"
        timeline = self.api.get(f"{path}/timeline")
        invoices = self.api.get(f"{path}/invoices", includeInvoiceComponents=True)
        overdue = self.api.get(f"{path}/overdue")
        try:
            return read(timeline, invoices, overdue, cache(self.now))
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise Unavailable(f"Kill Bill's account {account_id} can't be read", found=repr(error)) from None

    def accounts(self) -> Iterator[UUID]:
        """Yield every account's id. Raises Unavailable or Unauthorized."""
        offset = 0
        while page := self.api.get("/1.0/kb/accounts/pagination", offset=offset, limit=_PAGE):
            yield from (UUID(account["accountId"]) for account in page)
            offset += _PAGE

    def now(self) -> datetime:
        """Return Kill Bill's present."""
        return clock(self.api)


def clock(api: Api) -> datetime:
    """Return Kill Bill's present: its test clock where it has one, else ours. Raises Unavailable or Unauthorized."""
    try:
        return _moment(api.get("/1.0/kb/test/clock")["currentUtcTime"])
    except NotFound:
        return datetime.now(UTC)


def read(timeline: Mapping[str, Any], invoices: Iterable[Mapping[str, Any]], overdue: Mapping[str, Any], now: Clock) -> Account:
    """Return the account from Kill Bill's three answers; ``now`` is asked only where it matters."""
    account = timeline["account"]
    payments: dict[str, list[Mapping[str, Any]]] = {}
    for payment in timeline.get("payments") or ():
        payments.setdefault(str(payment.get("targetInvoiceId")), []).extend(payment.get("transactions") or ())
    state = str(overdue.get("name") or "")
    return Account(
        id=UUID(account["accountId"]),
        customer_id=str(account.get("externalKey") or account["accountId"]),
        currency=str(account.get("currency") or ""),
        overdue_state="" if overdue.get("isClearState") or state in ("", _CLEAR) else state,
        subscriptions=tuple(_subscription(bundle, each, now) for bundle, each in _subscriptions(timeline)),
        invoices=tuple(
            _invoice(invoice, payments.get(invoice["invoiceId"], []), payable=bool(account.get("paymentMethodId")), now=now)
            for invoice in invoices
            if invoice.get("status", "COMMITTED") == "COMMITTED"
        ),
    )


def _subscriptions(timeline: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for bundle in timeline.get("bundles") or ():
        for subscription in bundle.get("subscriptions") or ():
            if subscription.get("productCategory", "BASE") == "BASE":
                yield bundle, subscription


def _subscription(bundle: Mapping[str, Any], data: Mapping[str, Any], now: Clock) -> Subscription:
    ends = [_moment(data[name]) for name in ("cancelledDate", "billingEndDate") if data.get(name)]
    cancel_at = max(ends, default=None)
    return Subscription(
        id=UUID(data["subscriptionId"]),
        bundle_key=str(bundle.get("externalKey") or data.get("bundleExternalKey") or ""),
        plan_name=str(data["planName"]),
        phase=_phase(data, ends, now),
        started_at=_moment(data["startDate"]),
        cancel_at=cancel_at,
        blocked=data["state"] == "BLOCKED",
    )


def _phase(data: Mapping[str, Any], ends: list[datetime], now: Clock) -> Phase:
    """Return the phase now. ``phaseType`` is the present one; the entitlement's end is in ``state``, that of billing is not."""
    if data["state"] == "PENDING":
        return Phase.PENDING
    if data["state"] in ("CANCELLED", "EXPIRED") and (len(set(ends)) < 2 or max(ends).date() <= now().date()):
        return Phase.CANCELLED
    return Phase.TRIAL if data["phaseType"] == "TRIAL" else Phase.EVERGREEN


def _invoice(data: Mapping[str, Any], tries: list[Mapping[str, Any]], *, payable: bool, now: Clock) -> Invoice:
    balance = Decimal(str(data["balance"]))
    items = data.get("items") or ()
    # A payment's transactions come in the order they were made in, which decides within the second that Kill Bill's dates end at.
    last = max(reversed(tries), key=lambda each: str(each.get("effectiveDate") or ""), default=None)
    return Invoice(
        id=UUID(data["invoiceId"]),
        subscription_ids=frozenset(UUID(item["subscriptionId"]) for item in items if item.get("subscriptionId")),
        amount=Decimal(str(data["amount"])),
        balance=balance,
        failed=balance > 0 and _has_failed(last, data, payable=payable, now=now),
        pending=balance > 0 and last is not None and last.get("status") in _UNDECIDED,
    )


def _has_failed(last: Mapping[str, Any] | None, invoice: Mapping[str, Any], *, payable: bool, now: Clock) -> bool:
    """Say whether collecting was tried and failed, or can't have worked.

    Kill Bill records no try where the account has no payment method, and adding one later tries nothing by itself. So an
    invoice that nothing was tried for is failed without a payment method, and with one from the next day on.
    """
    if last is None:
        return not payable or _moment(invoice["invoiceDate"]).date() < now().date()
    if last.get("transactionType") == _TAKEN_BACK:
        return last.get("status") == "SUCCESS"
    return last.get("transactionType") in _COLLECTING and last.get("status") in _FAILED


def _moment(value: str) -> datetime:
    """Return a date (0.22) or a moment (0.24) as a moment in UTC."""
    if len(value) == len("2026-01-31"):
        value = f"{date.fromisoformat(value).isoformat()}T00:00:00"
    moment = datetime.fromisoformat(value)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
