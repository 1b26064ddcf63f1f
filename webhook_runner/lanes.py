"""Each queue's own threads, so that none waits for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import procrastinate

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import Queue
from webhook_runner.kinds import Round
from webhook_runner.patience import survive
from webhook_runner.settings import Settings


def sizes(settings: Settings) -> dict[Queue, int]:
    """Return how many jobs of each queue are done at a time."""
    return {
        Queue.SYNC: settings.syncs,
        Queue.PROVISIONING: settings.provisioning,
        Queue.OPERATIONS: settings.operations,
        Queue.MAINTENANCE: settings.maintenance,
        Queue.MONITORING: len(Round),  # a place for each, so that a round waits for nothing but its own last turn
    }


class Lanes:
    """A job's thread is one of its queue's. Where the queue is begun anew while some still work, these count."""

    def __init__(self, settings: Settings, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._pools = {name: ThreadPoolExecutor(size, name) for name, size in sizes(settings).items()}

    async def do(self, context: procrastinate.JobContext, work: Callable[[], str]) -> str:
        """Do a job's work in its lane, see survive."""
        pool = self._pools[Queue(context.job.queue)]
        return await asyncio.get_running_loop().run_in_executor(pool, survive, self._stopping, work)
