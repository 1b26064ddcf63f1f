# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tenants' databases take of their plans' storage, as the registry keeps it (tenant.storage)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..domain.billing.plan import in_force
from ..domain.tenant.storage import Level, Storage
from ..errors import NotFound
from ..postgres.connection import Connection
from . import plans
from .connection import now
from .tenant_name import NAME, REFERENCE

_READ = f"""
SELECT t.id, {NAME} AS name, {REFERENCE} AS reference, t.database_name, t.plan_name, a.server_name,
    s.used, s.allowed, s.level, s.over_since
FROM tenant.tenants t JOIN database.allocations a ON a.tenant_id = t.id AND a.purpose = 'home'
LEFT JOIN tenant.storage s ON s.tenant_id = t.id
WHERE t.status <> 'terminated' AND t.database_name IS NOT NULL ORDER BY t.id
"""
_WRITE = """
INSERT INTO tenant.storage (tenant_id, used, allowed, level, over_since, measured_at)
VALUES (%(tenant_id)s, %(used)s, %(limit)s, %(level)s, %(over_since)s, ops.now())
ON CONFLICT (tenant_id) DO UPDATE SET used = EXCLUDED.used, allowed = EXCLUDED.allowed, level = EXCLUDED.level,
    over_since = EXCLUDED.over_since, measured_at = EXCLUDED.measured_at
"""
_FORGET = """
DELETE FROM tenant.storage s USING tenant.tenants t WHERE t.id = s.tenant_id AND t.status = 'terminated'
"""


@dataclass(frozen=True)
class Watched:
    """A tenant with a database: what its plan gives it (bytes), and what was found of it the last time."""

    id: UUID
    name: str
    reference: str
    database: str
    limit: int
    before: Storage


def watched(connection: Connection) -> dict[str, list[Watched]]:
    """Return all tenants that have a database, by the server that it is on, but those whose plan is unknown."""
    entitlements, moment = plans.read_all(connection), now(connection)
    found = defaultdict[str, list[Watched]](list)
    for row in connection.execute(_READ):
        try:
            limit = in_force(entitlements, row["plan_name"], moment).storage_bytes
        except NotFound:
            continue
        names = (row["id"], row["name"], row["reference"], row["database_name"])
        found[row["server_name"]].append(Watched(*names, limit, storage_in(row) or Storage(0, limit)))
    return found


def record(connection: Connection, found: Mapping[UUID, Storage]) -> None:
    """Write down what was found of each tenant, and forget those that are terminated."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(_WRITE, [{**vars(storage), "tenant_id": tenant_id} for tenant_id, storage in found.items()])
        cursor.execute(_FORGET)


def storage_in(row: Mapping[str, Any]) -> Storage | None:
    """Return what the row of a query holds of tenant.storage, None where that is nothing."""
    if row["level"] is None:
        return None
    return Storage(row["used"], row["allowed"], Level(row["level"]), row["over_since"])
