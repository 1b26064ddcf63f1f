# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole fleet as the registry knows it, now or at a past moment: what the inventory is made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..domain.tenant.tenant import Tenant
from ..postgres.connection import Connection
from .tenants import COLUMNS, from_row, wanted

# The server a tenant lives on now, and what type of database its plan gives it.
_PLACE = """
LEFT JOIN database.allocations a ON a.tenant_id = t.id AND a.purpose = 'home'
LEFT JOIN database.servers s ON s.name = a.server_name
"""
# ... and the one it lived on at a past moment, which is in the journal.
_PLACE_THEN = """
LEFT JOIN LATERAL (
    SELECT j.action, j.detail ->> 'server_name' AS server_name FROM ops.journal j
    WHERE j.subject = 'tenant:' || t.id AND j.action LIKE 'allocation %%' AND j.at <= %(at)s
        AND coalesce(j.detail ->> 'purpose', 'home') = 'home'
    ORDER BY j.seq DESC LIMIT 1
) a ON a.action <> 'allocation delete'
LEFT JOIN database.servers s ON s.name = a.server_name
"""
_TYPE = """
LEFT JOIN LATERAL (
    SELECT e.db_type FROM billing.plan_entitlements e WHERE e.plan_name = t.plan_name AND e.effective_date <= {at}
    ORDER BY e.effective_date DESC LIMIT 1
) p ON true
"""
_WANTED = "(%(id)s::uuid IS NULL AND %(subdomain)s::text IS NULL OR t.id = %(id)s OR t.subdomain = %(subdomain)s)"
_PLACED = f"SELECT {COLUMNS}, s.name AS server_name, coalesce(s.server_type, p.db_type) AS database_type"
_FLEET = f"""
{_PLACED} FROM tenant.tenants t {_PLACE} {_TYPE.format(at="ops.now()")}
WHERE t.status <> 'terminated' AND {_WANTED} ORDER BY t.subdomain, t.id
"""
_FLEET_THEN = f"""
{_PLACED} FROM tenant.tenants_as_of(%(at)s) t {_PLACE_THEN} {_TYPE.format(at="%(at)s")}
WHERE t.status <> 'terminated' AND {_WANTED} ORDER BY t.subdomain, t.id
"""


@dataclass(frozen=True)
class Placed:
    """A tenant, the name of the server its database is on (None while it has none), and its type of database."""

    tenant: Tenant
    server: str | None
    database_type: str | None


def present(connection: Connection, reference: str | None = None) -> Iterator[Placed]:
    """Yield every tenant that is not terminated (or the one with this id or subdomain), by subdomain."""
    yield from _placed(connection, _FLEET, wanted(reference))


def at(connection: Connection, moment: datetime, reference: str | None = None) -> Iterator[Placed]:
    """Yield the fleet as it was at ``moment`` (the database's real time), with the entitlements in force then."""
    yield from _placed(connection, _FLEET_THEN, {**wanted(reference), "at": moment})


def _placed(connection: Connection, query: str, parameters: dict[str, Any]) -> Iterator[Placed]:
    for row in connection.execute(query, parameters):
        yield Placed(from_row(row), row["server_name"], row["database_type"])
