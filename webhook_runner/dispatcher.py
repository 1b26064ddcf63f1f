"""The jobs there are, as procrastinate tasks: the sync of an account, a tenant's runs, and what comes round by the clock."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

import procrastinate

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unauthorized, Unavailable
from webhook_runner import queue
from webhook_runner.converge import converge, run
from webhook_runner.database import queue_conninfo
from webhook_runner.services import Services
from webhook_runner.settling import settle, settle_all
from webhook_runner.sync import sync

_log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 5, 120  # seconds between tries while Kill Bill is away


def build(services: Services) -> procrastinate.App:
    """Return the app of one worker process, with all tasks."""
    connector = procrastinate.PsycopgConnector(
        conninfo=queue_conninfo(services.settings.registry), min_size=1, max_size=6, reconnect_timeout=60, timeout=30
    )
    app = procrastinate.App(connector=connector)
    _add_jobs(app, services)
    _add_rounds(app, services)
    return app


def _add_jobs(app: procrastinate.App, services: Services) -> None:
    @app.task(name="sync_account")
    def sync_account(account_id: str, cause: str, correlation_id: str = "", attempt: int = 0) -> str:
        """Re-read one account. Kill Bill away: again after a while that doubles; the sweep would find it later anyway."""
        try:
            return sync(services, UUID(account_id), cause=cause, correlation_id=correlation_id)
        except (Unavailable, Unauthorized) as error:
            pause = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)
            job = queue.sync_account(UUID(account_id), cause=cause, correlation_id=correlation_id, attempt=attempt + 1)
            with services.registry.transaction() as connection:
                queue.defer(connection, queue.at(job, datetime.now(UTC) + timedelta(seconds=pause)))
            _log.warning("account %s: %s; again in %d s", account_id, error, pause)
            return "put off"

    @app.task(name="converge_tenant")
    def converge_tenant(tenant_id: str, cause: str, correlation_id: str = "", retry: bool = False) -> str:
        """Bring one tenant to its desired state."""
        return converge(services, UUID(tenant_id), cause=cause, correlation_id=correlation_id, retry=retry)

    @app.task(name="settle_tenant")
    def settle_tenant(tenant_id: str, cause: str) -> str:
        """End what a move of one tenant's database has left."""
        return settle(services, UUID(tenant_id), cause=cause)


def _add_rounds(app: procrastinate.App, services: Services) -> None:
    def platform_run(verb: str) -> str:
        return run(services, verb, None, cause=verb, correlation_id="").status

    @app.periodic(cron=services.settings.sweep_cron)
    @app.task(name="sweep", queue=queue.SYNC, lock="platform:sweep", queueing_lock="platform:sweep")
    def sweep(timestamp: int) -> str:
        """Read all accounts again, so that a lost event only delays."""
        try:
            jobs = [queue.sync_account(account, cause="sweep", sweep=True) for account in services.billing.accounts()]
            with services.registry.transaction() as connection:
                count = sum(queue.defer(connection, job) for job in jobs)
        except (Unavailable, Unauthorized) as error:
            _log.warning("no sweep: %s", error)
            return "put off"
        return f"{count} accounts"

    @app.periodic(cron=services.settings.health_cron)
    @app.task(
        name="server_health",
        queue=queue.MONITORING,
        priority=queue.PRIORITY[queue.MONITORING],
        lock="platform:health",
        queueing_lock="platform:health",
    )
    def server_health(timestamp: int) -> str:
        """Check every Postgres server; allocation goes by what it finds."""
        return platform_run("health")

    @app.periodic(cron=services.settings.spare_cron)
    @app.task(
        name="spare_pools",
        queue=queue.MAINTENANCE,
        priority=queue.PRIORITY[queue.MAINTENANCE],
        lock="platform:spare",
        queueing_lock="platform:spare",
    )
    def spare_pools(timestamp: int) -> str:
        """Prepare the next pool before the last one is full."""
        return platform_run("spare")

    @app.periodic(cron=services.settings.migrations_cron)
    @app.task(
        name="migrations",
        queue=queue.MAINTENANCE,
        priority=queue.PRIORITY[queue.MAINTENANCE],
        lock="platform:migrations",
        queueing_lock="platform:migrations",
    )
    def migrations(timestamp: int) -> str:
        """Have moves whose run died ended, and what is kept no longer taken down. Nothing due costs a look, no run."""
        return settle_all(services)
