"""Each queue's own threads, so that none waits for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import procrastinate

from webhook_runner import queue
from webhook_runner.patience import survive
from webhook_runner.settings import Settings


def sizes(settings: Settings) -> dict[str, int]:
    """Return how many jobs of each queue are done at a time."""
    return {
        queue.SYNC: settings.syncs,
        queue.PROVISIONING: settings.provisioning,
        queue.OPERATIONS: settings.operations,
        queue.MAINTENANCE: settings.maintenance,
        queue.MONITORING: settings.monitoring,
    }


class Lanes:
    """A job's thread is one of its queue's. Where the queue is begun anew while some still work, these count."""

    def __init__(self, settings: Settings, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._pools = {name: ThreadPoolExecutor(size, name) for name, size in sizes(settings).items()}

    async def do(self, context: procrastinate.JobContext, work: Callable[[], str]) -> str:
        """Do a job's work in its lane, see survive."""
        pool = self._pools[context.job.queue]
        return await asyncio.get_running_loop().run_in_executor(pool, survive, self._stopping, work)
