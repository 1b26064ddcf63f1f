# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tenants, as the registry keeps them. What may happen is decided in domain/tenant; here it is read, decided and written under
one row lock. The registry's triggers write history, transition and journal with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from ..domain.change import Change
from ..domain.tenant import operation
from ..domain.tenant.operation import NO_DETAILS, Details, Stage
from ..domain.tenant.status import Billing, Desired, Provisioning, Status
from ..domain.tenant.subdomain import as_subdomain, check_subdomain
from ..domain.tenant.tenant import Tenant, check_customer, database_name, parse_id
from ..domain.tenant.verb import Verb
from ..errors import Conflict, NotFound
from ..postgres.connection import Connection
from . import connection as registry
from . import plans, servers

_FIELDS = tuple(field.name for field in fields(Tenant))
_WORDS: dict[str, type[StrEnum]] = {
    "status": Status,
    "provisioning_status": Provisioning,
    "billing_status": Billing,
    "desired_state": Desired,
    "operation": Verb,
    "returns_to": Status,
}
COLUMNS = ", ".join(f"t.{name}" for name in _FIELDS)

# The live tenant of a subdomain before the terminated ones, of which the newest counts.
_FIND = f"""
SELECT {COLUMNS} FROM tenant.tenants t WHERE t.id = %(id)s OR t.subdomain = %(subdomain)s
ORDER BY (t.id = %(id)s) DESC NULLS LAST, (t.status = 'terminated'), t.created_at DESC LIMIT 1
"""
_READ = f"SELECT {COLUMNS} FROM tenant.tenants t WHERE t.id = %s"
# One decision about a tenant at a time.
_HOLD = f"{_READ} FOR UPDATE"
_OF_SUBSCRIPTION = f"SELECT {COLUMNS} FROM tenant.tenants t WHERE t.subscription_id = %s"
_OF_ACCOUNT = f"SELECT {COLUMNS} FROM tenant.tenants t WHERE t.account_id = %s ORDER BY t.created_at, t.id"
# Subdomain and port are looked for and taken by one creation at a time.
_EXCLUDE_OTHER_CREATIONS = "SELECT pg_advisory_xact_lock(hashtextextended('tenant.tenants: one creation at a time', 0))"
_LOWEST_FREE_PORT = """
SELECT min(port) AS port FROM generate_series(%(first)s::integer, %(last)s::integer) AS port
WHERE NOT EXISTS (SELECT FROM tenant.tenants t WHERE t.http_port = port)
"""


def find(connection: Connection, reference: str) -> Tenant:
    """Return the tenant with this id or subdomain; of a subdomain the live one, else the one terminated last.

    Raises NotFound, naming the reference.
    """
    found = _look_for(connection, reference)
    if found is None:
        raise _unknown(reference)
    return found


def of_subscription(connection: Connection, subscription_id: UUID) -> Tenant | None:
    """Return the tenant of a Kill Bill subscription, terminated ones included, or None when it has none yet."""
    row = connection.execute(_OF_SUBSCRIPTION, (subscription_id,)).fetchone()
    return from_row(row) if row else None


def of_account(connection: Connection, account_id: UUID) -> list[Tenant]:
    """Return all tenants of a Kill Bill account, oldest first, terminated ones included."""
    return [from_row(row) for row in connection.execute(_OF_ACCOUNT, (account_id,))]


def create(
    connection: Connection,
    *,
    subdomain: str | None,
    customer_id: str,
    plan_name: str,
    odoo_version: str,
    ports: range,
    account_id: UUID | None = None,
    subscription_id: UUID | None = None,
    desired_state: Desired = Desired.MANUAL,
    billing_status: Billing = Billing.PAYMENT_REQUIRED,
    status_message: str = "",
    check: bool = False,
) -> Tenant:
    """Record a new tenant, with the lowest free of ``ports`` (TCP), and return it; with ``check`` write nothing.

    ``subdomain`` is None to record one that can't be as asked (nothing of it is looked at); ``status_message`` then says why.
    Raises InvalidInput for an illegal or reserved subdomain or an illegal customer id, Conflict naming the holder when it is
    taken or no port is free, NotFound for an unknown plan.
    """
    tenant_id = uuid4()
    with connection.transaction():
        connection.execute(_EXCLUDE_OTHER_CREATIONS)
        if subdomain is not None:
            subdomain = check_subdomain(subdomain)
            check_customer(customer_id)
            plans.entitlement(connection, plan_name)
            _check_free(connection, subdomain)
        moment = registry.now(connection)
        tenant = Tenant(
            id=tenant_id,
            subdomain=subdomain,
            customer_id=customer_id,
            account_id=account_id,
            subscription_id=subscription_id,
            plan_name=plan_name,
            status=Status.CREATING,
            provisioning_status=Provisioning.PENDING,
            billing_status=billing_status,
            operation=None,
            status_message=status_message,
            desired_state=desired_state,
            database_name=database_name(customer_id, tenant_id),
            http_port=_free_port(connection, ports),
            odoo_version=odoo_version,
            secret_generation=1,
            created_at=moment,
            updated_at=moment,
        )
        if not check:
            names = [name for name in _FIELDS if name != "updated_at"]
            statement = f"INSERT INTO tenant.tenants ({', '.join(names)}) VALUES ({', '.join(f'%({name})s' for name in names)})"
            connection.execute(statement, _values(tenant))
    return tenant


def present(
    connection: Connection,
    reference: str,
    *,
    customer_id: str | None,
    plan_name: str | None,
    odoo_version: str,
    ports: range,
    may_move: bool = False,
    check: bool = False,
) -> tuple[Tenant | None, Tenant]:
    """Return the tenant before (None if it is new) and after it was made as asked for by hand.

    A new one needs a customer and a plan, and stays out of the billing system's say. With ``may_move`` one that is there may
    get a plan whose type of database it does not have; the caller then moves its database. Raises NotFound when a tenant that
    is not there can't be made from what is given, Conflict when one that is there can't be made so.
    """
    found = _look_for(connection, reference)
    if customer_id and plan_name and not parse_id(reference) and (found is None or found.status is Status.TERMINATED):
        new = create(
            connection,
            subdomain=reference,
            customer_id=customer_id,
            plan_name=plan_name,
            odoo_version=odoo_version,
            ports=ports,
            billing_status=Billing.PAID,  # nobody bills it, so nothing is owed
            check=check,
        )
        return None, new
    if found is None:
        raise _unknown(reference)
    if customer_id and customer_id != found.customer_id:
        raise _is_taken(found)
    return found, _with_plan(connection, found, plan_name or found.plan_name, may_move=may_move, check=check)


def record_desired(
    connection: Connection,
    tenant_id: UUID,
    *,
    desired_state: Desired,
    billing_status: Billing | None,
    plan_name: str,
    cancel_at: datetime | None,
) -> Change[Tenant]:
    """Write down what Kill Bill says of a tenant (``billing_status`` None: as it is), and nothing else.

    What to do about it is decided by domain.tenant.wish; see domain.tenant.lifecycle.Desired for who wins over a verb by hand.
    """

    def updated(tenant: Tenant) -> tuple[Tenant]:
        billing = billing_status or tenant.billing_status
        known = tenant.with_plan(plan_name)
        return (replace(known, desired_state=desired_state, billing_status=billing, cancel_at=cancel_at),)

    return change(connection, tenant_id, updated)


def change(
    connection: Connection, tenant_id: UUID, decide: Callable[[Tenant], tuple[Tenant, ...]], *, check: bool = False
) -> Change[Tenant]:
    """Read the tenant, let ``decide`` return the versions it goes through, write each; all under one row lock.

    With ``check`` nothing is held or written. What ``decide`` raises is passed on, with nothing written.
    """
    with connection.transaction():
        row = connection.execute((_READ if check else _HOLD), (tenant_id,)).fetchone()
        if row is None:
            raise NotFound(f"there is no tenant '{tenant_id}'")
        before = after = from_row(row)
        for version in decide(before):
            if not check:
                _save(connection, after, version)
            after = version
    return Change(before, after)


def operate(
    connection: Connection, tenant_id: UUID, verb: Verb, stage: Stage, details: Details = NO_DETAILS, *, check: bool = False
) -> Change[Tenant]:
    """Record that ``verb`` has reached ``stage``; with ``check`` only say what that will change, had the verb been begun.

    The caller holds the tenant's lock (registry/tenant_lock.py), or knows that no run of the tenant lives. Raises
    Conflict when the verb may not begin, does not lead there, or is not under way.
    """
    at = registry.now(connection)
    rule = operation.predicted if check else operation.reached
    return change(connection, tenant_id, lambda tenant: rule(tenant, verb, stage, at, details), check=check)


def mark_lost(connection: Connection, tenant_id: UUID, message: str, verb: Verb | None = None) -> Change[Tenant]:
    """Record that a run (of ``verb``) ended without saying how. The caller knows that nobody holds the tenant's lock."""
    return change(connection, tenant_id, lambda tenant: operation.lost(tenant, message, verb))


def _look_for(connection: Connection, reference: str) -> Tenant | None:
    row = connection.execute(_FIND, wanted(reference)).fetchone()
    return from_row(row) if row else None


def _unknown(reference: str) -> NotFound:
    return NotFound(
        f"there is no tenant '{reference}'",
        expected="the subdomain or the id of one that ansible-inventory --graph tenants lists",
        action="to make it by hand: ansible-playbook playbooks/tenant_provision.yml "
        f"-e tenant={reference} -e customer=CUSTOMER -e plan=PLAN",
    )


def _check_free(connection: Connection, subdomain: str) -> None:
    holder = _look_for(connection, subdomain)
    if holder is not None and holder.status is not Status.TERMINATED:
        raise _is_taken(holder)


def _is_taken(holder: Tenant) -> Conflict:
    return Conflict(
        f"the subdomain '{holder.subdomain}' is taken",
        found=f"tenant {holder.id} of customer {holder.customer_id}, {holder.status}",
        expected="another subdomain, or that tenant terminated",
    )


def _with_plan(connection: Connection, tenant: Tenant, plan_name: str, *, may_move: bool, check: bool) -> Tenant:
    """Give the tenant the plan, by hand: only where Kill Bill has no say, and its database stays where it is or may move."""
    if plan_name == tenant.plan_name:
        return tenant
    if tenant.desired_state is not Desired.MANUAL:
        raise Conflict(
            f"the plan of tenant {tenant.name} is what Kill Bill says",
            found=tenant.plan_name,
            expected=plan_name,
            action="change the subscription in Kill Bill",
        )
    wanted, server = plans.entitlement(connection, plan_name).db_type, servers.of_tenant(connection, tenant.id)
    if server is not None and server.server_type is not wanted and not may_move:
        raise Conflict(
            f"plan {plan_name} of tenant {tenant.name} needs another type of database",
            found=f"{server.server_type} ({server.name})",
            expected=wanted,
            action=f"ansible-playbook playbooks/tenant_resize.yml -e tenant={tenant.reference} -e plan={plan_name}",
        )
    return change(connection, tenant.id, lambda found: (found.with_plan(plan_name),), check=check).after


def _free_port(connection: Connection, ports: range) -> int:
    row = connection.execute(_LOWEST_FREE_PORT, {"first": ports.start, "last": ports.stop - 1}).fetchone()
    if row is None or row["port"] is None:
        raise Conflict(
            "no port is free for another tenant",
            found=f"all of {ports.start} to {ports.stop - 1} taken",
            action="widen saasodoo_port_tenants .. saasodoo_port_tenants_end, or terminate a tenant",
        )
    port: int = row["port"]
    return port


def _save(connection: Connection, before: Tenant, after: Tenant) -> None:
    old, new = _values(before), _values(after)
    changed = [name for name in _FIELDS if old[name] != new[name]]
    if changed:
        assignments = ", ".join(f"{name} = %({name})s" for name in changed)
        connection.execute(f"UPDATE tenant.tenants SET {assignments} WHERE id = %(id)s", new)


def wanted(reference: str | None) -> dict[str, Any]:
    """Return the parameters id and subdomain of a query: one is what ``reference`` is, the other None."""
    tenant_id = parse_id(reference or "")
    return {"id": tenant_id, "subdomain": None if tenant_id or reference is None else as_subdomain(reference)}


def from_row(row: dict[str, Any]) -> Tenant:
    """Return the tenant of a row that has COLUMNS."""
    words = {name: word and _WORDS[name](word) for name, word in row.items() if name in _WORDS}
    return Tenant(**{name: row[name] for name in _FIELDS} | words)


def _values(tenant: Tenant) -> dict[str, Any]:
    return {name: getattr(tenant, name) for name in _FIELDS}
