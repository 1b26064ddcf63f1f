"""One copy of the platform as its customers and its billing system meet it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import NotFound
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.account import KillBill
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.api import read_access
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import derive, read_platform_key
from demo.customer import Customer
from demo.odoo import Odoo, User
from demo.settings import read_variables

_DAY = 24 * 3600  # seconds
_NAMES = (
    "base_domain",
    "port_proxy",
    "registry",
    "platform_key_file",
    "killbill_file",
    "killbill_callback_url",
    "killbill_callback_generation",
)


@dataclass(frozen=True)
class Platform:
    """One copy of the platform, as its customers and its billing system meet it."""

    base_domain: str
    proxy_port: int
    registry: str
    platform_key_file: str
    callback_address: str  # without its secret
    callback_generation: int
    billing: KillBill

    @classmethod
    def here(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Return the copy that the local inventory and ``environment`` (SAASODOO_HOME, ...) describe."""
        found = read_variables(*(f"saasodoo_{name}" for name in _NAMES), environment=environment)
        access = read_access(found["saasodoo_killbill_file"])
        return cls(
            base_domain=found["saasodoo_base_domain"],
            proxy_port=int(found["saasodoo_port_proxy"]),
            registry=found["saasodoo_registry"],
            platform_key_file=found["saasodoo_platform_key_file"],
            callback_address=found["saasodoo_killbill_callback_url"],
            callback_generation=int(found["saasodoo_killbill_callback_generation"]),
            billing=KillBill(access.url, access.user, access.password, access.api_key, access.api_secret),
        )

    @property
    def customer(self) -> Customer:
        """What a customer can do at Kill Bill."""
        return Customer(self.billing.api)

    @property
    def callback_url(self) -> str:
        """Where Kill Bill sends its events; a secret."""
        key = read_platform_key(self.platform_key_file)
        return f"{self.callback_address}/{derive(key, 'killbill', 'callback', self.callback_generation)}"

    def open_account(self, customer_id: str) -> UUID:
        """Open an account at Kill Bill with a card of the payment-test plugin, and return its id."""
        account = self.customer.create_account(customer_id, email=f"{customer_id}@example.com")
        self.customer.add_payment_method(account)
        return account

    def tenant(self, name: str) -> Tenant:
        """Return the registry's record of a tenant. Raises NotFound."""
        with registry.connect(self.registry) as connection:
            return tenants.find(connection, name)

    def find_tenant(self, name: str) -> Tenant | None:
        """Return the registry's record of a tenant, or None while there is none."""
        try:
            return self.tenant(name)
        except NotFound:
            return None

    def tenant_of(self, subscription_id: UUID) -> Tenant | None:
        """Return the tenant of a subscription, or None while there is none."""
        with registry.connect(self.registry) as connection:
            return tenants.of_subscription(connection, subscription_id)

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

    def pass_days(self, days: int) -> None:
        """Let days pass, for Kill Bill and the platform alike, and wait until Kill Bill has done what they bring."""
        self.customer.pass_days(days)
        self.customer.settle()
        with registry.connect(self.registry) as connection:
            registry.set_clock_offset(connection, registry.read_clock_offset(connection) + days * _DAY)
