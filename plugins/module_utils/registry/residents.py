# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which tenants have a database on a server, by the registry."""

from __future__ import annotations

from ..domain.server.database_server import Purpose
from ..domain.server.drain import Resident
from ..domain.tenant.status import Status
from ..domain.tenant.verb import Verb
from ..postgres.connection import Connection
from .tenant_name import NAME

_RESIDENTS = f"""
SELECT t.id, {NAME} AS name, t.status, t.operation, a.purpose, m.keep_until
FROM database.allocations a JOIN tenant.tenants t ON t.id = a.tenant_id
LEFT JOIN ops.migrations m ON m.tenant_id = t.id AND m.finished_at IS NULL AND a.purpose = 'former'
WHERE a.server_name = %s AND (a.expires_at IS NULL OR a.expires_at > clock_timestamp()) ORDER BY name
"""


def residents(connection: Connection, server: str) -> tuple[Resident, ...]:
    """Return the tenants that have a place on ``server``, by name."""
    return tuple(
        Resident(
            row["id"],
            row["name"],
            Status(row["status"]),
            Verb(row["operation"]) if row["operation"] else None,
            Purpose(row["purpose"]),
            row["keep_until"],
        )
        for row in connection.execute(_RESIDENTS, (server,))
    )
