# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who needs a person, as the registry knows it. Who is on the list is decided in domain/tenant/attention.py."""

from __future__ import annotations

from typing import Any

from ..domain.tenant.attention import Found, LastRun, Need, Settling, need
from ..domain.tenant.verb import Verb
from ..postgres.connection import Connection
from . import tenant_lock
from .storage import storage_in
from .tenant_runs import LAST_WANTED
from .tenants import COLUMNS, from_row

# Who may be on it, with the last run somebody wanted, the last ones in a row that settled nothing.
_FOUND = f"""
SELECT {COLUMNS}, last.*, settling.*, o.used, o.allowed, o.level, o.over_since,
    coalesce((SELECT max(s.at) FROM tenant.transitions s WHERE s.tenant_id = t.id AND s.to_status = t.status),
        t.updated_at) AS since
FROM tenant.tenants t
LEFT JOIN LATERAL (
    SELECT r.kind AS last_verb, r.status AS last_status, r.message AS last_message, r.attempt, r.finished_at AS ended_at,
        r.status IN ('queued', 'running') OR r.next_try_at IS NOT NULL AS open
    FROM ({LAST_WANTED}) r
) last ON true
CROSS JOIN LATERAL (
    SELECT count(*)::int AS tries, min(r.queued_at) AS tried_since, (array_agg(r.message ORDER BY r.queued_at DESC))[1] AS tried
    FROM ops.runs r WHERE r.tenant_id = t.id AND r.kind = 'settle' AND r.status NOT IN ('queued', 'running', 'succeeded')
    AND r.queued_at > coalesce((SELECT max(o.queued_at) FROM ops.runs o
        WHERE o.tenant_id = t.id AND (o.kind <> 'settle' OR o.status = 'succeeded')), '-infinity')
) settling
LEFT JOIN tenant.storage o ON o.tenant_id = t.id AND o.level = 'read_only'
WHERE o.level IS NOT NULL OR t.status = 'error'
    OR (t.status <> 'terminated' AND (t.operation IS NOT NULL OR t.failed_plan IS NOT NULL))
    OR EXISTS (SELECT FROM ops.migrations m WHERE m.tenant_id = t.id AND m.finished_at IS NULL)
ORDER BY since, t.id
"""


def needs(connection: Connection) -> list[Need]:
    """Return who needs a person, the longest first."""
    return [each for row in connection.execute(_FOUND) if (each := need(_found(connection, row)))]


def _found(connection: Connection, row: dict[str, Any]) -> Found:
    last = None
    if row["last_verb"]:
        last = LastRun(
            Verb(row["last_verb"]), row["last_status"], row["last_message"], row["attempt"], row["ended_at"], open=row["open"]
        )
    settling = Settling(row["tries"], row["tried_since"], row["tried"] or "")
    tenant = from_row(row)
    return Found(tenant, row["since"], tenant_lock.holder_of(connection, tenant) is not None, last, settling, storage_in(row))
