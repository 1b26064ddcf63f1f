# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the registry knows of a tenant's runs. Who writes them is webhook_runner/runs.py."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ..postgres.connection import Connection

# What settles a move comes round by itself.
_LAST = """
SELECT id, kind, status, next_try_at FROM ops.runs WHERE tenant_id = %s AND kind <> 'settle' ORDER BY queued_at DESC LIMIT 1
"""


def last_run(connection: Connection, tenant_id: UUID) -> dict[str, Any] | None:
    """Return id, kind, status and next_try_at of the tenant's last run that somebody wanted, None before the first."""
    return connection.execute(_LAST, (tenant_id,)).fetchone()
