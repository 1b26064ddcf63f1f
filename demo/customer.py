# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a customer, or their bank, does in Kill Bill: for the demo and for acceptance tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import NotFound
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.account import clock
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.api import Api
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.setup import move_clock

_PLUGIN = "killbill-payment-test"
_SETTLE = 30  # seconds
_ACTIONS = {
    "succeed": "ACTION_CLEAR",
    "fail": "ACTION_RETURN_PLUGIN_STATUS_ERROR",
    "pend": "ACTION_RETURN_PLUGIN_STATUS_PENDING",
}

Payments = Literal["succeed", "fail", "pend"]
Policy = Literal["END_OF_TERM", "IMMEDIATE"]


class Customer:
    """Acts on one Kill Bill tenant. Every method raises the errors of killbill.api."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def create_account(self, customer_id: str, *, name: str = "", email: str = "", currency: str = "USD") -> UUID:
        """Open an account; ``customer_id`` becomes its externalKey. Raises Conflict when it is taken."""
        body = {"name": name or customer_id, "email": email or None, "externalKey": customer_id, "currency": currency}
        return UUID(self.api.post("/1.0/kb/accounts", body))

    def find_account(self, customer_id: str) -> UUID | None:
        """Return the account of ``customer_id``, if there is one."""
        try:
            return UUID(self.api.get("/1.0/kb/accounts", externalKey=customer_id)["accountId"])
        except NotFound:
            return None

    def add_payment_method(self, account: UUID) -> UUID:
        """Add a card of the payment-test plugin as the default one."""
        body = {"accountId": str(account), "pluginName": _PLUGIN, "pluginInfo": {}}
        return UUID(self.api.post(f"/1.0/kb/accounts/{account}/paymentMethods", body, isDefault=True))

    def subscribe(self, account: UUID, plan_name: str, subdomain: str) -> UUID:
        """Subscribe to a plan for the tenant ``subdomain``."""
        keys = {"externalKey": subdomain, "bundleExternalKey": subdomain}
        return UUID(self.api.post("/1.0/kb/subscriptions", {"accountId": str(account), **keys, "planName": plan_name}))

    def change_plan(self, subscription: UUID, plan_name: str, policy: Policy = "IMMEDIATE") -> None:
        """SetupChange to another plan, at once or at the end of what is paid."""
        self.api.put(f"/1.0/kb/subscriptions/{subscription}", {"planName": plan_name}, billingPolicy=policy)

    def undo_change(self, subscription: UUID) -> None:
        """Take back a change of plan that is asked for and not in effect yet."""
        self.api.put(f"/1.0/kb/subscriptions/{subscription}/undoChangePlan")

    def cancel(self, subscription: UUID, policy: Policy = "END_OF_TERM") -> None:
        """Cancel at the end of what is paid, or at once."""
        self.api.delete(f"/1.0/kb/subscriptions/{subscription}", entitlementPolicy=policy, billingPolicy=policy)

    def pay(self, account: UUID) -> Decimal:
        """Pay all that is owed, from outside (a bank transfer), and return how much that was."""
        paid = Decimal(0)
        for invoice in self.api.get(f"/1.0/kb/accounts/{account}/invoices", unpaidInvoicesOnly=True):
            amount = Decimal(str(invoice["balance"]))
            if amount > 0:
                body = {"accountId": str(account), "targetInvoiceId": invoice["invoiceId"], "purchasedAmount": str(amount)}
                self.api.post(f"/1.0/kb/invoices/{invoice['invoiceId']}/payments", body, externalPayment=True)
                paid += amount
        return paid

    def pause(self, bundle: UUID) -> None:
        """Pause a bundle: its entitlement is withheld, and not charged for."""
        self.api.put(f"/1.0/kb/bundles/{bundle}/pause")

    def resume(self, bundle: UUID) -> None:
        """End a pause."""
        self.api.put(f"/1.0/kb/bundles/{bundle}/resume")

    def set_payments(self, outcome: Payments) -> None:
        """Have the payment-test plugin accept cards from now on, refuse them, or leave payments undecided."""
        body = {"CONFIGURE_ACTION": _ACTIONS[outcome]}
        if outcome != "succeed":
            body["METHODS"] = "purchasePayment"
        self.api.post("/plugins/killbill-payment-test/configure", body)

    def pass_days(self, days: int) -> datetime:
        """Move the test clock on, a day at a time so that no overdue state is jumped over, and return the present."""
        for _ in range(days):
            move_clock(self.api, clock(self.api) + timedelta(days=1))
        return clock(self.api)

    def settle(self) -> None:
        """Wait until Kill Bill has worked through all its queues."""
        self.api.send("GET", "/1.0/kb/test/queues", {"timeoutSec": _SETTLE})
