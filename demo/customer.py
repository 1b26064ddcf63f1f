"""A customer of the platform: subscribes and pays at Kill Bill, works in Odoo, and sees nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters import registry, tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.killbill import KillBill
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.killbill_api import read_access
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.odoo import Odoo, User
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.secrets import derive, read_platform_key
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import Tenant
from demo.settings import read_variables

_PAYMENT_PLUGIN = "killbill-payment-test"
_NAMES = ("base_domain", "port_proxy", "registry", "platform_key_file", "home")


@dataclass(frozen=True)
class Platform:
    """One copy of the platform, as its customers and its billing system meet it."""

    base_domain: str
    proxy_port: int
    registry: str
    platform_key_file: str
    billing: KillBill

    @classmethod
    def here(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Return the copy that the local inventory and ``environment`` (SAASODOO_HOME, ...) describe."""
        found = read_variables(*(f"saasodoo_{name}" for name in _NAMES), "killbill_access_file", environment=environment)
        access = read_access(found["killbill_access_file"])
        return cls(
            base_domain=found["saasodoo_base_domain"],
            proxy_port=int(found["saasodoo_port_proxy"]),
            registry=found["saasodoo_registry"],
            platform_key_file=found["saasodoo_platform_key_file"],
            billing=KillBill(access.url, access.user, access.password, access.api_key, access.api_secret),
        )

    def tenant(self, name: str) -> Tenant:
        """Return the registry's record of a tenant. Raises NotFound."""
        with registry.connect(self.registry) as connection:
            return tenants.find(connection, name)

    def address(self, name: str) -> str:
        """Return where a browser finds the tenant."""
        return f"http://{name}.{self.base_domain}:{self.proxy_port}"

    def visit(self, name: str, timeout: float = 30) -> Odoo:
        """Return the tenant's Odoo as the proxy shows it, whatever names this machine can resolve."""
        tenant = self.tenant(name)
        host = f"{name}.{self.base_domain}:{self.proxy_port}"
        return Odoo(f"http://127.0.0.1:{self.proxy_port}", tenant.database_name, host=host, timeout=timeout)

    def status_of(self, name: str, path: str = "/web/login") -> int:
        """Return the HTTP status a visitor of the tenant gets now."""
        with Odoo(f"http://127.0.0.1:{self.proxy_port}", "", host=f"{name}.{self.base_domain}:{self.proxy_port}") as site:
            return site.get(path).status_code

    def password(self, name: str) -> str:
        """Return the tenant's administrator's password."""
        tenant = self.tenant(name)
        return derive(read_platform_key(self.platform_key_file), str(tenant.id), "odoo-admin", tenant.secret_generation)

    def log_in(self, name: str) -> User:
        """Log in to the tenant's Odoo as its administrator."""
        return self.visit(name).log_in("admin", self.password(name))

    def move_clock(self, days: int) -> None:
        """Let days pass, for Kill Bill and the platform alike, and wait until Kill Bill has done what they bring."""
        self.billing.api.put("/1.0/kb/test/clock", days=days, timeoutSec=30)
        self.billing.api.get("/1.0/kb/test/queues", timeoutSec=30)
        with registry.connect(self.registry) as connection:
            connection.execute("UPDATE ops.clock SET time_offset = time_offset + %s", (timedelta(days=days),))


@dataclass
class Customer:
    """One account at Kill Bill, with a card that can be made to fail."""

    platform: Platform
    customer_id: str
    account_id: UUID

    @classmethod
    def sign_up(cls, platform: Platform, customer_id: str) -> Self:
        """Open an account with a payment method."""
        body = {"externalKey": customer_id, "name": customer_id, "email": f"{customer_id}@example.com", "currency": "USD"}
        account_id = UUID(platform.billing.api.post("/1.0/kb/accounts", body))
        method = {"accountId": str(account_id), "pluginName": _PAYMENT_PLUGIN, "pluginInfo": {}}
        platform.billing.api.post(f"/1.0/kb/accounts/{account_id}/paymentMethods", method, isDefault=True)
        return cls(platform, customer_id, account_id)

    def subscribe(self, name: str, plan: str) -> UUID:
        """Subscribe to ``plan``; ``name`` becomes the tenant's subdomain. Returns the subscription's id."""
        body = {"accountId": str(self.account_id), "bundleExternalKey": name, "planName": plan}
        return UUID(self.platform.billing.api.post("/1.0/kb/subscriptions", body))

    def cancel(self, subscription_id: UUID) -> None:
        """Cancel at the end of the term paid for."""
        policies = {"entitlementPolicy": "END_OF_TERM", "billingPolicy": "END_OF_TERM"}
        self.platform.billing.api.delete(f"/1.0/kb/subscriptions/{subscription_id}", **policies)

    def card(self, *, works: bool) -> None:
        """Make every card's payments succeed or fail (the payment-test plugin knows no single card)."""
        action = "ACTION_CLEAR" if works else "ACTION_RETURN_PLUGIN_STATUS_ERROR"
        body: dict[str, Any] = (
            {"CONFIGURE_ACTION": action} if works else {"CONFIGURE_ACTION": action, "METHODS": "purchasePayment"}
        )
        self.platform.billing.api.post(f"/plugins/{_PAYMENT_PLUGIN}/configure", body)

    def pay(self) -> None:
        """Pay every open invoice."""
        for invoice in self.platform.billing.read_account(self.account_id).invoices:
            if invoice.balance > 0:
                body = {
                    "accountId": str(self.account_id),
                    "targetInvoiceId": str(invoice.id),
                    "purchasedAmount": float(invoice.balance),
                }
                self.platform.billing.api.post(f"/1.0/kb/invoices/{invoice.id}/payments", body, externalPayment=False)
