"""Removing what is over and past its time: in the registry in small batches, so that nobody waits for it, then files.

The registry decides what may go (ops.remove_expired): this only says after how many days.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from webhook_runner.run_folders import prune
from webhook_runner.services import Services
from webhook_runner.settings import Settings

_BATCH = 1000  # rows in one transaction
_BATCHES = 100  # of each kind in one round; what is left waits for the next
_TENANT_LOG = re.compile(r"odoo-([0-9a-f]{12})\.log(\.\d+)?")
_DEAD_TENANTS = """
SELECT short_id FROM tenant.tenants
WHERE short_id = ANY(%(short_ids)s) AND status = 'terminated' AND updated_at < clock_timestamp() - make_interval(days => %(days)s)
"""
# Jobs that ended without success so long ago; successful ones are removed by the worker.
_REMOVE_FAILED_JOBS = """
WITH old AS (
    SELECT job.id FROM procrastinate_jobs job
    WHERE job.status NOT IN ('todo', 'doing') AND (
        SELECT max(event.at) FROM procrastinate_events event WHERE event.job_id = job.id
    ) < clock_timestamp() - make_interval(days => %(days)s)
    LIMIT %(batch)s
), removed AS (DELETE FROM procrastinate_jobs job USING old WHERE job.id = old.id RETURNING job.id)
SELECT count(*) AS count FROM removed
"""
_REMOVE_EXPIRED = "SELECT ops.remove_expired(%(what)s, %(days)s, %(batch)s) AS count"


def remove_expired(services: Services) -> str:
    """Remove what is past its time and return in words what that was. Raises Unavailable when the registry is away."""
    removed = {what.replace("_", " "): _remove(services, what, days) for what, days in _expiring(services.settings)}
    removed["failed jobs"] = _in_batches(services, _REMOVE_FAILED_JOBS, {"days": services.settings.detail_days})
    removed["run folders"] = prune(services.settings)
    removed["logs"] = _remove_logs(services)
    return ", ".join(f"{count} {what}" for what, count in removed.items() if count) or "nothing"


def _expiring(settings: Settings) -> Iterator[tuple[str, int]]:
    yield "events", settings.event_days
    yield "run_events", settings.detail_days
    yield "platform_runs", settings.detail_days
    yield "tenant_runs", settings.run_days


def _remove(services: Services, what: str, days: int) -> int:
    return _in_batches(services, _REMOVE_EXPIRED, {"what": what, "days": days})


def _in_batches(services: Services, statement: str, values: dict[str, str | int]) -> int:
    total = 0
    for _ in range(_BATCHES):
        if services.stopping.is_set():
            break
        with services.registry.transaction() as connection:
            row = connection.execute(statement, {**values, "batch": _BATCH}).fetchone()
        count = int(row["count"]) if row else 0
        total += count
        if count < _BATCH:
            break
    return total


def _remove_logs(services: Services) -> int:
    logs = list(_dead_logs(services))
    for file in logs:
        file.unlink(missing_ok=True)
    return len(logs)


def _dead_logs(services: Services) -> Iterator[Path]:
    """Yield the logs of tenants that were terminated so long ago, where logs are files of ours."""
    days = services.settings.detail_days
    if not services.settings.logs:
        return
    old = _unchanged_since(Path(services.settings.logs), time.time() - timedelta(days=days).total_seconds())
    found = {file: match[1] for file in old if (match := _TENANT_LOG.fullmatch(file.name))}
    with services.registry.transaction() as connection:
        rows = connection.execute(_DEAD_TENANTS, {"short_ids": list(found.values()), "days": days})
        dead = {row["short_id"] for row in rows}
    yield from (file for file, short_id in found.items() if short_id in dead)


def _unchanged_since(folder: Path, moment: float) -> Iterator[Path]:
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        try:
            old = path.stat().st_mtime < moment
        except FileNotFoundError:
            continue  # it was rotated meanwhile
        if old:
            yield path
