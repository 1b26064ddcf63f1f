"""The jobs there are, as procrastinate tasks: the sync of an account, a tenant's runs, and what comes round by the clock."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import procrastinate

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import Queue, Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unauthorized, Unavailable
from webhook_runner import queue
from webhook_runner.converge import converge, do, run
from webhook_runner.database import queue_conninfo
from webhook_runner.kinds import Maintenance, Round
from webhook_runner.lanes import Lanes
from webhook_runner.life_times import remove_expired
from webhook_runner.second_look import look_again
from webhook_runner.services import Services
from webhook_runner.settling import settle, settle_all
from webhook_runner.sync import sync

_log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 5, 120  # seconds between tries while Kill Bill is away
_CONNECTIONS = 12  # at most, of five queues that each listen and fetch


def build(services: Services) -> procrastinate.App:
    """Return the app of one worker process, with all tasks."""
    connector = procrastinate.PsycopgConnector(
        conninfo=queue_conninfo(services.settings.registry), min_size=1, max_size=_CONNECTIONS, reconnect_timeout=60, timeout=30
    )
    app = procrastinate.App(connector=connector)
    lanes = Lanes(services.settings, services.stopping)
    _add_jobs(app, services, lanes)
    _add_rounds(app, services, lanes)
    return app


def _add_jobs(app: procrastinate.App, services: Services, lanes: Lanes) -> None:
    @app.task(name="sync_account", pass_context=True)
    async def sync_account(
        context: procrastinate.JobContext, account_id: str, cause: str, correlation_id: str = "", attempt: int = 0
    ) -> str:
        """Re-read one account."""
        return await lanes.do(context, lambda: _sync(services, UUID(account_id), cause, correlation_id, attempt))

    @app.task(name="converge_tenant", pass_context=True)
    async def converge_tenant(
        context: procrastinate.JobContext,
        *,
        tenant_id: str,
        cause: str,
        correlation_id: str = "",
        retry: bool = False,
        again: str | None = None,
    ) -> str:
        """Bring one tenant to its desired state."""
        why: dict[str, Any] = {"cause": cause, "correlation_id": correlation_id, "retry": retry}
        tenant, before = UUID(tenant_id), UUID(again) if again else None
        return await lanes.do(context, lambda: converge(services, tenant, again=before, **why))

    @app.task(name="do_verb", pass_context=True)
    async def do_verb(context: procrastinate.JobContext, tenant_id: str, verb: str, cause: str) -> str:
        """Do what a person asked for to one tenant."""
        return await lanes.do(context, lambda: do(services, UUID(tenant_id), Verb(verb), cause=cause))

    @app.task(name="settle_tenant", pass_context=True)
    async def settle_tenant(context: procrastinate.JobContext, tenant_id: str, cause: str) -> str:
        """End what a move of one tenant's database has left."""
        return await lanes.do(context, lambda: settle(services, UUID(tenant_id), cause=cause))


def _add_rounds(app: procrastinate.App, services: Services, lanes: Lanes) -> None:
    """Add what comes round by the clock, see Round."""
    settings = services.settings
    rounds: dict[Round, tuple[str, Callable[[], str]]] = {
        # Read all accounts again, so that a lost event only delays.
        Round.SWEEP: (settings.sweep_cron, lambda: _sweep(services)),
        # Check every Postgres server, by which allocation goes, and tenants whose Odoo was only slow.
        Round.HEALTH: (settings.health_cron, lambda: _check(services)),
        # Prepare the next pool before the last one is full.
        Round.SPARE: (settings.spare_cron, lambda: _run(services, Maintenance.SPARE)),
        # Have moves whose run died ended, and what is kept no longer taken down: a look, which queues a run for each tenant.
        Round.MIGRATIONS: (settings.migrations_cron, lambda: settle_all(services)),
        # Remove what is over and past its time.
        Round.LIFE_TIMES: (settings.life_times_cron, lambda: remove_expired(services)),
    }
    for each, (cron, work) in rounds.items():
        _add_round(app, lanes, each, cron, work)


def _add_round(app: procrastinate.App, lanes: Lanes, each: Round, cron: str, work: Callable[[], str]) -> None:
    @app.periodic(cron=cron)
    @app.task(name=each, queue=Queue.MONITORING, lock=each.lock, queueing_lock=each.lock, pass_context=True)
    async def take_turn(context: procrastinate.JobContext, timestamp: int) -> str:
        return await lanes.do(context, work)


def _sync(services: Services, account_id: UUID, cause: str, correlation_id: str, attempt: int) -> str:
    """Re-read one account. Kill Bill away: again after a while that doubles; the sweep would find it later anyway."""
    try:
        return sync(services, account_id, cause=cause, correlation_id=correlation_id)
    except (Unavailable, Unauthorized) as error:
        pause = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)
        job = queue.sync_account(account_id, cause=cause, correlation_id=correlation_id, attempt=attempt + 1)
        with services.registry.transaction() as connection:
            queue.defer(connection, queue.at(job, datetime.now(UTC) + timedelta(seconds=pause)))
        _log.warning("account %s: %s; again in %d s", account_id, error, pause)
        return "put off"


def _check(services: Services) -> str:
    """Check the servers; then look once more at the tenants that were given up."""
    status = _run(services, Maintenance.HEALTH)
    return f"{status}, {look_again(services)} tenants tried once more"


def _run(services: Services, kind: Maintenance) -> str:
    return run(services, kind, None, cause=str(kind), correlation_id="").status


def _sweep(services: Services) -> str:
    try:
        jobs = [queue.sync_account(account, cause="sweep", sweep=True) for account in services.billing.accounts()]
    except (Unavailable, Unauthorized) as error:
        _log.warning("no sweep: %s", error)
        return "put off"
    with services.registry.transaction() as connection:
        count = sum(queue.defer(connection, job) for job in jobs)
    return f"{count} accounts"
