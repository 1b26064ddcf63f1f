"""One thing asked for many tenants at once: each gets a job of its own, or is told why not."""

from __future__ import annotations

from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.registry.many_tenants import RETRY, Asked, Meant, ask
from webhook_runner import queue
from webhook_runner.database import Connection


def queue_all(connection: Connection, verb: str, meant: Meant, *, cause: str) -> list[dict[str, Any]]:
    """Queue ``verb`` for all that may have it done now; return what became of each. Raises what ``ask`` does."""
    return [_queue(connection, each, verb, cause) for each in ask(connection, verb, meant)]


def _queue(connection: Connection, each: Asked, verb: str, cause: str) -> dict[str, Any]:
    if each.tenant is None or each.verb is None:
        return {"tenant": each.name, "outcome": "refused", **(each.refusal.as_dict() if each.refusal else {})}
    if verb == RETRY:
        job = queue.converge_tenant(each.tenant.id, each.verb, cause=cause, correlation_id="", again=each.last, retry=True)
    else:
        job = queue.do_verb(each.tenant.id, each.verb, cause=cause)
    outcome = "queued" if queue.defer(connection, job) else "queued before"
    return {"tenant": each.name, "outcome": outcome, "verb": str(each.verb)}
