# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant and the names derived from it. A tenant is one Odoo of one customer."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import (
    Billing,
    Desired,
    Provisioning,
    Status,
    Verb,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput

#: Names that would shadow the platform's own addresses below the base domain ...
_RESERVED_ADDRESSES = frozenset({"admin", "api", "billing", "console", "kaui", "killbill", "mail", "portal", "status", "www"})
#: ... or, since the inventory calls a tenant by its subdomain, the platform's own hosts and groups there.
_RESERVED_HOSTS = frozenset({"all", "local", "localhost", "platform", "tenants", "ungrouped"})
RESERVED_SUBDOMAINS = _RESERVED_ADDRESSES | _RESERVED_HOSTS

_SUBDOMAIN = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")  # one DNS label (RFC 1035)
_IDENTIFIER_LIMIT = 63 - len("__session")  # bytes in an identifier of PostgreSQL, less what names made from it add
_SHORT_ID_LENGTH = 12


@dataclass(frozen=True)
class Tenant:
    """One row of tenant.tenants."""

    id: UUID
    subdomain: str | None
    customer_id: str
    account_id: UUID | None
    subscription_id: UUID | None
    plan_name: str
    status: Status
    provisioning_status: Provisioning
    billing_status: Billing
    operation: Verb | None
    status_message: str
    desired_state: Desired
    database_name: str
    http_port: int | None
    odoo_version: str
    secret_generation: int
    created_at: datetime
    updated_at: datetime
    cancel_at: datetime | None = None  # the end of term, once cancellation is requested
    terminated_at: datetime | None = None
    applied_plan: str | None = None  # the plan whose limits and type of database it runs with; None: not known
    failed_plan: str | None = None  # the plan that could not be applied: only a person tries that again

    def with_plan(self, plan_name: str) -> Tenant:
        """Return the tenant with that plan. A change is a new wish, so what failed before may be tried again."""
        if plan_name == self.plan_name:
            return self
        return replace(self, plan_name=plan_name, failed_plan=None)

    @property
    def short_id(self) -> str:
        """The part of the id that names processes, roles and directories."""
        return short_id(self.id)

    @property
    def name(self) -> str:
        """What people call the tenant: its subdomain, or where it has none its short id."""
        return self.subdomain or self.short_id

    @property
    def data_directory(self) -> str:
        """The folder of the tenant's files below odoo_instances (mission: tenant lifecycle)."""
        return f"odoo_data_{self.database_name}_{self.short_id}"


def short_id(tenant_id: UUID) -> str:
    """Return the first 12 hexadecimal digits of the id; the registry keeps them unique."""
    return tenant_id.hex[:_SHORT_ID_LENGTH]


def parse_id(reference: str) -> UUID | None:
    """Return the id ``reference`` is, in its usual form with dashes (which is no subdomain), or None."""
    try:
        tenant_id = UUID(reference)
    except ValueError:
        return None
    return tenant_id if str(tenant_id) == reference.lower() else None


def database_name(customer_id: str, tenant_id: UUID) -> str:
    """Return ``odoo_{customer_id}_{short id}`` as a legal PostgreSQL identifier.

    The customer's part is folded to [a-z0-9_] and cut; the short id keeps names apart, so two customers never collide.
    """
    suffix = f"_{short_id(tenant_id)}"
    customer = re.sub(r"[^a-z0-9]+", "_", customer_id.lower()).strip("_") or "customer"
    return f"odoo_{customer[: _IDENTIFIER_LIMIT - len('odoo_') - len(suffix)]}{suffix}"


def check_subdomain(subdomain: str) -> str:
    """Return ``subdomain``, or raise InvalidInput when it is no DNS label or is reserved for the platform."""
    if not _SUBDOMAIN.fullmatch(subdomain):
        raise InvalidInput(
            "illegal subdomain",
            found=subdomain,
            expected="1 to 63 of a-z, 0-9 and '-', starting with a letter, not ending in '-'",
        )
    if subdomain in RESERVED_SUBDOMAINS:
        raise InvalidInput("reserved subdomain", found=subdomain, action="choose another")
    return subdomain
