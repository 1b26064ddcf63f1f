# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant and the names derived from it. A tenant is one Odoo of one customer."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ...errors import InvalidInput
from ..text import REPLACEMENT
from .status import Billing, Desired, Provisioning, Status
from .verb import AT_REST, Verb

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
    returns_to: Status | None = None  # running or stopped: where the verb that is under way began, and is to end

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
    def reference(self) -> str:
        """What a person names the tenant by, and what it is locked by: its subdomain, or where it has none its id."""
        return self.subdomain or str(self.id)

    @property
    def rest(self) -> Status:
        """Running or stopped: what it is, or is to be again. Of one in error nobody knows more than that it is to run."""
        return self.status if self.status in AT_REST else self.returns_to or Status.RUNNING

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


def check_customer(customer_id: str) -> str:
    """Return ``customer_id``, or raise InvalidInput when it tells no customer: it is blank, or could not be recorded whole."""
    if not customer_id.strip() or REPLACEMENT in customer_id:
        raise InvalidInput(
            "illegal customer id", found=repr(customer_id), expected="text that is not blank and has no unreadable character"
        )
    return customer_id


def database_name(customer_id: str, tenant_id: UUID) -> str:
    """Return ``odoo_{customer_id}_{short id}`` as a legal PostgreSQL identifier.

    The customer's part is folded to [a-z0-9_] and cut; the short id keeps names apart, so two customers never collide.
    """
    suffix = f"_{short_id(tenant_id)}"
    customer = re.sub(r"[^a-z0-9]+", "_", customer_id.lower()).strip("_") or "customer"
    return f"odoo_{customer[: _IDENTIFIER_LIMIT - len('odoo_') - len(suffix)]}{suffix}"
