# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant and the names derived from it. A tenant is one Odoo of one customer."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import (
    COURSES,
    Admission,
    Billing,
    Desired,
    Provisioning,
    Status,
    Verb,
    admit,
    check_step,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, InvalidInput

#: Names that would shadow the platform's own addresses below the base domain ...
_RESERVED_ADDRESSES = frozenset({"admin", "api", "billing", "console", "kaui", "killbill", "mail", "portal", "status", "www"})
#: ... or, since the inventory calls a tenant by its subdomain, the platform's own hosts and groups there.
_RESERVED_HOSTS = frozenset({"all", "local", "localhost", "platform", "tenants", "ungrouped"})
RESERVED_SUBDOMAINS = _RESERVED_ADDRESSES | _RESERVED_HOSTS

_SUBDOMAIN = re.compile(r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")  # one DNS label (RFC 1035)
_IDENTIFIER_LIMIT = 63  # bytes in a PostgreSQL identifier
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


def begun(tenant: Tenant, verb: Verb) -> tuple[Tenant, ...]:
    """Return the versions the tenant goes through when ``verb`` begins; none when it is at the goal and only converges.

    Raises Conflict when the verb may not begin (lifecycle.admit).
    """
    admission = admit(verb, tenant.status, tenant.provisioning_status, tenant.operation)
    if admission is Admission.CONVERGE:
        return ()
    provisioning = tenant.provisioning_status
    if verb is Verb.PROVISION and provisioning is Provisioning.PENDING:
        provisioning = Provisioning.PROVISIONING
    if admission is Admission.SUPERSEDE:
        lost = replace(tenant, status=Status.ERROR, status_message=f"{tenant.operation} was interrupted")
        return (lost, replace(lost, operation=verb, provisioning_status=provisioning, status_message=""))
    return (replace(tenant, operation=verb, provisioning_status=provisioning, status_message=""),)


def advanced(tenant: Tenant, verb: Verb, to: Status, message: str = "") -> tuple[Tenant, ...]:
    """Return the version after ``verb`` took its step to ``to``; none when the tenant only converges.

    Raises Conflict when the verb is not under way or does not lead there; the goal is reached by ``finished`` alone.
    """
    if _converges(tenant, verb):
        return ()
    if to not in COURSES[verb].path:
        raise Conflict(f"{to} is no step of {verb}", expected=" -> ".join(COURSES[verb].path))
    check_step(verb, tenant.status, to)
    return (replace(tenant, status=to, status_message=message),)


def finished(tenant: Tenant, verb: Verb, at: datetime, message: str = "") -> tuple[Tenant, ...]:
    """Return the version after ``verb`` reached its goal at ``at``; none when the tenant only converged.

    provision makes it ready. suspend sets billing to suspended if Kill Bill wants the tenant suspended: a suspension by
    hand says nothing about what is owed, so it and every other verb leave billing to the sync (see Desired). terminate
    frees the port; the subdomain is free by the status. Raises Conflict when the verb is not under way.
    """
    if _converges(tenant, verb):
        return ()
    goal = COURSES[verb].goal
    check_step(verb, tenant.status, goal)
    done = replace(tenant, status=goal, operation=None, status_message=message)
    if verb is Verb.PROVISION:
        done = replace(done, provisioning_status=Provisioning.READY)
    if verb is Verb.SUSPEND and tenant.desired_state is Desired.SUSPENDED:
        done = replace(done, billing_status=Billing.SUSPENDED)
    if verb is Verb.TERMINATE:
        done = replace(done, provisioning_status=Provisioning.TERMINATED, http_port=None, terminated_at=at)
    return (done,)


def failed(tenant: Tenant, verb: Verb, message: str) -> tuple[Tenant, ...]:
    """Return the version after ``verb`` failed with ``message``: in error, with nothing under way.

    A tenant that was only converging ends in error too: it is not as it should be. What is terminated stays terminated.
    Raises Conflict when the verb is not under way, so that a verb that was refused harms nothing.
    """
    _converges(tenant, verb)
    status = tenant.status if tenant.status is Status.TERMINATED else Status.ERROR
    return (replace(tenant, status=status, operation=None, status_message=message),)


def _converges(tenant: Tenant, verb: Verb) -> bool:
    """Say whether ``verb`` is not under way because there was nothing to do; raise Conflict if it was never begun."""
    if tenant.operation is verb:
        return False
    if tenant.operation is None and tenant.status is COURSES[verb].goal and verb is not Verb.RESTART:
        return True
    raise Conflict(
        f"{verb} is not under way on tenant {tenant.name}",
        found=f"{tenant.status}, {tenant.operation or 'nothing'} under way",
        action=f"begin it first (tenant_operation: verb={verb} state=begun)",
    )


def short_id(tenant_id: UUID) -> str:
    """Return the first 12 hexadecimal digits of the id; the registry keeps them unique."""
    return tenant_id.hex[:_SHORT_ID_LENGTH]


def database_name(customer_id: str, tenant_id: UUID) -> str:
    """Return ``odoo_{customer_id}_{short id}`` as a legal PostgreSQL identifier.

    The customer's part is folded to [a-z0-9_] and cut; the short id keeps names apart, so two customers never collide.
    """
    suffix = f"_{short_id(tenant_id)}"
    customer = re.sub(r"[^a-z0-9]+", "_", customer_id.lower()).strip("_") or "customer"
    return f"odoo_{customer[: _IDENTIFIER_LIMIT - len('odoo_') - len(suffix)]}{suffix}"


def check_subdomain(subdomain: str) -> str:
    """Return ``subdomain``, or raise InvalidInput when it is no DNS label or is reserved for the platform."""
    if not _SUBDOMAIN.match(subdomain):
        raise InvalidInput(
            "illegal subdomain",
            found=subdomain,
            expected="1 to 63 of a-z, 0-9 and '-', starting with a letter, not ending in '-'",
        )
    if subdomain in RESERVED_SUBDOMAINS:
        raise InvalidInput("reserved subdomain", found=subdomain, action="choose another")
    return subdomain
