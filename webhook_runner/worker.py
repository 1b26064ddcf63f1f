"""The worker process: syncs beside runs, so that neither waits for the other, and a look after what dead workers left."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from psycopg_pool import PoolTimeout

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from webhook_runner import queue, recovery
from webhook_runner.dispatcher import build
from webhook_runner.services import Services, make
from webhook_runner.settings import Settings

_log = logging.getLogger(__name__)
_SYNCS = 4  # at a time; Kill Bill answers each in some hundredths of a second
_POLL = 0.1  # seconds; the next job of an account or tenant starts at a poll, not at a notification; one costs 1 ms
_HEARTBEAT = 2  # seconds
_PAUSE = 1  # second before work is begun anew


def main(settings: Settings) -> int:
    """Work until SIGTERM; return the exit status."""
    services = make(settings, connections=settings.concurrency + _SYNCS + 2)
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
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(services.settings.concurrency + _SYNCS + 2))
    app = build(services)
    async with app.open_async():
        await asyncio.to_thread(_sweep_soon, services)
        workers = [
            asyncio.create_task(_worker(app, services, [queue.SYNC], _SYNCS)),
            asyncio.create_task(_worker(app, services, list(queue.RUN_QUEUES), services.settings.concurrency)),
        ]
        stopping = asyncio.create_task(_stop(services, workers))
        done, left = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        stopping.cancel()
        services.stopping.set()  # of what is left, after a failure nobody foresaw, runs are ended too
        for worker in left:
            worker.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for worker in done:
            if not worker.cancelled():
                worker.result()


async def _worker(app: procrastinate.App, services: Services, queues: list[str], concurrency: int) -> None:
    """Work on ``queues`` until cancelled. procrastinate stops when the registry goes away; it is then begun anew."""
    while True:
        try:
            await app.run_worker_async(
                queues=queues,
                name=queues[0],
                concurrency=concurrency,
                fetch_job_polling_interval=_POLL,
                update_heartbeat_interval=_HEARTBEAT,
                stalled_worker_timeout=services.settings.stalled_after,
                install_signal_handlers=False,
                delete_jobs="successful",
            )
        except (ConnectorException, psycopg.OperationalError, PoolTimeout) as error:
            _log.warning("the registry went away: %s", error.__cause__ or error)
        await asyncio.sleep(_PAUSE)


async def _stop(services: Services, workers: list[asyncio.Task[None]]) -> None:
    """On SIGTERM: take no more, let runs finish for ``stop_grace`` seconds, then end them."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    await asked.wait()
    _log.info("asked to stop")
    for worker in workers:
        worker.cancel()  # procrastinate takes this as: no more jobs
    await asyncio.wait(workers, timeout=services.settings.stop_grace)
    services.stopping.set()


def _sweep_soon(services: Services) -> None:
    """Have what happened while no worker ran found now, not at the next round."""
    try:
        with services.registry.transaction() as connection:
            queue.defer(connection, queue.sweep())
    except Unavailable as error:
        _log.warning("no sweep at the start: %s", error)
