"""The inbox: an event and the job it asks for are stored in one transaction, whatever dies meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import one
from webhook_runner import queue
from webhook_runner.database import Connection

_STORE_EVENT = """
INSERT INTO ops.events (event_type, account_id, object_type, object_id, body)
VALUES (%(event_type)s, %(account_id)s, %(object_type)s, %(object_id)s, %(body)s)
RETURNING id, correlation_id
"""
_SETTLE_EVENT = "UPDATE ops.events SET handled_at = clock_timestamp(), outcome = %(outcome)s WHERE id = %(id)s"


@dataclass(frozen=True)
class Event:
    """What one webhook said; ``body`` as it was sent. It has no id, no time and no signature of its own."""

    event_type: str
    account_id: UUID | None
    object_type: str
    object_id: str
    body: dict[str, Any]


def store(connection: Connection, event: Event) -> int:
    """Store ``event`` and queue the re-reading of its account; return the event's id. One of no account needs nothing more."""
    row = one(
        connection.execute(
            _STORE_EVENT,
            {
                "event_type": event.event_type,
                "account_id": event.account_id,
                "object_type": event.object_type,
                "object_id": event.object_id,
                "body": Jsonb(event.body),
            },
        )
    )
    event_id: int = row["id"]
    if event.account_id is None:
        connection.execute(_SETTLE_EVENT, {"id": event_id, "outcome": "of no account: recorded"})
    else:
        cause, correlation_id = f"event:{event_id}", str(row["correlation_id"])
        queue.defer(connection, queue.sync_account(event.account_id, cause=cause, correlation_id=correlation_id))
    return event_id
