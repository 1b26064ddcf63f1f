"""One thing asked for many tenants at once: each gets a job of its own, or is told why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.crowd import RETRY, Asked, ask
from webhook_runner import queue
from webhook_runner.database import Connection


def queue_all(connection: Connection, verb: str, references: Sequence[str], status: str, *, cause: str) -> list[dict[str, Any]]:
    """Queue ``verb`` for all that may have it done now; return what became of each. Raises what adapters.crowd.ask does."""
    return [_queue(connection, each, verb, cause) for each in ask(connection, verb, references, status)]


def _queue(connection: Connection, each: Asked, verb: str, cause: str) -> dict[str, Any]:
    if each.tenant is None or each.verb is None:
        assert each.refusal is not None
        return {"tenant": each.name, "outcome": "refused", **each.refusal.as_dict()}
    if verb == RETRY:
        job = queue.converge_tenant(each.tenant.id, each.verb, cause=cause, correlation_id="", again=each.last, retry=True)
    else:
        job = queue.do_verb(each.tenant.id, each.verb, cause=cause)
    outcome = "queued" if queue.defer(connection, job) else "queued before"
    return {"tenant": each.name, "outcome": outcome, "verb": str(each.verb)}
