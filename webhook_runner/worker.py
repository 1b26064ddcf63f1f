"""The worker process: a lane for each queue, so that none waits for another, and a look after what dead workers left."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from psycopg_pool import PoolTimeout

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import Queue
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from webhook_runner import queue, recovery
from webhook_runner.dispatcher import build
from webhook_runner.kinds import Round
from webhook_runner.lanes import sizes
from webhook_runner.services import Services, make
from webhook_runner.settings import Settings
from webhook_runner.stopping import on_signals

_log = logging.getLogger(__name__)
# Seconds; the next job of an account or tenant starts at a poll, not at a notification; one costs 1 ms.
_POLL = {Queue.SYNC: 0.1, Queue.PROVISIONING: 0.2, Queue.OPERATIONS: 0.1, Queue.MAINTENANCE: 1.0, Queue.MONITORING: 1.0}
_HEARTBEAT = 2  # seconds
_PAUSE = 1  # second before work is begun anew


def main(settings: Settings) -> int:
    """Work until SIGTERM; return the exit status."""
    services = make(settings, connections=sum(sizes(settings).values()) + 2)
    services.registry.open()
    watcher = threading.Thread(target=recovery.watch, args=(services,), name="recovery", daemon=True)
    watcher.start()
    try:
        asyncio.run(_work(services))
    finally:
        services.stopping.set()
        watcher.join(timeout=settings.run_grace + 5)
        services.registry.close()
    return 0


async def _work(services: Services) -> None:
    app = build(services)
    asked = on_signals(services.settings)
    async with app.open_async():
        await asyncio.to_thread(_sweep_soon, services)
        lanes = sizes(services.settings).items()
        workers = [asyncio.create_task(_worker(app, services, lane, size, asked)) for lane, size in lanes]
        stopping = asyncio.create_task(_stop(services, workers, asked))
        done, left = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        stopping.cancel()
        services.stopping.set()  # of what is left, after a failure nobody foresaw, runs are ended too
        for worker in left:
            worker.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for worker in done:
            if not worker.cancelled():
                worker.result()


async def _worker(app: procrastinate.App, services: Services, lane: Queue, concurrency: int, asked: asyncio.Event) -> None:
    """Work on one queue until asked to stop. procrastinate stops when the registry goes away; it is then begun anew."""
    while not asked.is_set():
        try:
            await app.run_worker_async(
                queues=[lane],
                name=lane,
                concurrency=concurrency,
                fetch_job_polling_interval=_POLL[lane],
                update_heartbeat_interval=_HEARTBEAT,
                stalled_worker_timeout=services.settings.stalled_after,
                install_signal_handlers=False,
                delete_jobs="successful",
            )
        except (ConnectorException, psycopg.OperationalError, PoolTimeout) as error:
            _log.warning("the registry went away: %s", error.__cause__ or error)
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), _PAUSE)


async def _stop(services: Services, workers: list[asyncio.Task[None]], asked: asyncio.Event) -> None:
    """When asked to: take no more, let runs finish for ``stop_grace`` seconds, then end them."""
    await asked.wait()
    for worker in workers:
        worker.cancel()  # procrastinate takes this as: no more jobs
    await asyncio.wait(workers, timeout=services.settings.stop_grace)
    services.stopping.set()


def _sweep_soon(services: Services) -> None:
    """Have what happened while no worker ran found now, not at the next round."""
    try:
        with services.registry.transaction() as connection:
            queue.defer(connection, queue.turn(Round.SWEEP))
    except Unavailable as error:
        _log.warning("no sweep at the start: %s", error)
