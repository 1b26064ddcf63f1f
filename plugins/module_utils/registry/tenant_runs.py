# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the registry knows of a tenant's runs. Who writes them is webhook_runner/runs.py."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ..postgres.connection import Connection

#: The last run of tenant ``t`` that somebody wanted, for a lateral join: what settles a move comes round by itself.
LAST_WANTED = "SELECT * FROM ops.runs WHERE tenant_id = t.id AND kind <> 'settle' ORDER BY queued_at DESC LIMIT 1"
_OF_TENANT = f"""
SELECT run.id, run.kind, run.status, run.next_try_at FROM tenant.tenants t CROSS JOIN LATERAL ({LAST_WANTED}) run WHERE t.id = %s
"""


def last_run(connection: Connection, tenant_id: UUID) -> dict[str, Any] | None:
    """Return id, kind, status and next_try_at of the tenant's last run that somebody wanted, None before the first."""
    return connection.execute(_OF_TENANT, (tenant_id,)).fetchone()
