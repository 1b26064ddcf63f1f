"""Ending what moves of databases have left: a run for each tenant with something due, ever later again if that does not help."""

from __future__ import annotations

from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import journal
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import Due
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import one
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import now
from webhook_runner import queue
from webhook_runner.converge import run
from webhook_runner.database import Connection
from webhook_runner.kinds import Maintenance
from webhook_runner.services import Services

_FIRST_PAUSE, _LONGEST_PAUSE = 120, 6 * 3600  # seconds between tries
# The last runs of a tenant, as far as they all were to settle its move for the same reason, and the seconds since the last one.
_SETTLE_TRIES = """
SELECT count(*)::int AS tries,
    extract(epoch FROM clock_timestamp() - max(coalesce(finished_at, queued_at)))::double precision AS ago
FROM ops.runs
WHERE tenant_id = %(tenant_id)s AND queued_at > coalesce(
    (SELECT max(queued_at) FROM ops.runs WHERE tenant_id = %(tenant_id)s AND (kind <> 'settle' OR cause <> %(cause)s)),
    '-infinity')
"""


def pause_after(tries: int) -> int:
    """Return how many seconds to leave a tenant alone after so many runs for the same reason, whatever came of them."""
    return int(min(_FIRST_PAUSE * 2 ** min(tries - 1, 32), _LONGEST_PAUSE)) if tries else 0


def settle_all(services: Services) -> str:
    """Queue a run for each tenant with something due that is not to be left alone for now."""
    with services.registry.transaction() as connection:
        due = _due(connection)
        turn = [each for each in due if _is_its_turn(connection, each)]
        count = sum(queue.defer(connection, queue.settle_tenant(each.migration.tenant_id, cause=each.reason)) for each in turn)
    return f"{count} tenants" if due else "nothing due"


def settle(services: Services, tenant_id: UUID, *, cause: str) -> str:
    """Run it, unless the run that this one had to wait for has done it."""
    with services.registry.transaction() as connection:
        due = any(each.migration.tenant_id == tenant_id for each in _due(connection))
    if not due or services.stopping.is_set():
        return "nothing due"
    return run(services, Maintenance.SETTLE, tenant_id, cause=cause, correlation_id="").status


def _due(connection: Connection) -> tuple[Due, ...]:
    return journal.due(connection, now(connection))


def _is_its_turn(connection: Connection, due: Due) -> bool:
    values = {"tenant_id": due.migration.tenant_id, "cause": due.reason}
    found = one(connection.execute(_SETTLE_TRIES, values))
    return found["ago"] is None or found["ago"] >= pause_after(found["tries"])
