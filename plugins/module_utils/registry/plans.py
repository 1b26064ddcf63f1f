# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans in the registry: billing.plan_entitlements."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ..domain.billing.plan import DatabaseType, Entitlement, PlanChange, in_force, plan_change
from ..postgres.connection import Connection
from .connection import now

_READ = """
    SELECT plan_name, effective_date, cpu_limit, memory_limit, storage_limit, db_type, description
    FROM billing.plan_entitlements ORDER BY plan_name, effective_date
"""
_WRITE = """
    INSERT INTO billing.plan_entitlements
        (plan_name, effective_date, cpu_limit, memory_limit, storage_limit, db_type, description, created_by)
    VALUES (%(plan_name)s, %(effective_date)s, %(cpu_limit)s, %(memory_limit)s, %(storage_limit)s, %(db_type)s,
            %(description)s, session_user || '/' || current_setting('saasodoo.actor'))
    ON CONFLICT (plan_name, effective_date) DO UPDATE SET
        cpu_limit = EXCLUDED.cpu_limit, memory_limit = EXCLUDED.memory_limit, storage_limit = EXCLUDED.storage_limit,
        db_type = EXCLUDED.db_type, description = EXCLUDED.description
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('billing.plan_entitlements', 0))"


def read_all(connection: Connection) -> list[Entitlement]:
    """Return every entitlement row, past, present and future, by plan and date."""
    return [Entitlement(**{**row, "db_type": DatabaseType(row["db_type"])}) for row in connection.execute(_READ)]


def entitlement(connection: Connection, plan_name: str, at: datetime | None = None) -> Entitlement:
    """Return what ``plan_name`` gives at ``at``, by default the platform's present time. Raises NotFound (no silent default)."""
    return in_force(read_all(connection), plan_name, at or now(connection))


def sync(connection: Connection, wanted: Iterable[Entitlement], *, check: bool) -> PlanChange:
    """Add or change the rows ``wanted``, or with ``check`` only say what that would do; other rows stay.

    Raises InvalidInput when a row already in force would have to change: history is never rewritten.
    """
    connection.execute(_LOCK)
    change = plan_change(read_all(connection), wanted, now(connection))
    if not check:
        for row in change.writes:
            connection.execute(_WRITE, {**vars(row), "db_type": row.db_type.value})
    return change
