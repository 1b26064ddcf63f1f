"""Finding what a dead worker left: its runs are ended and marked lost, and have their next try like all that was interrupted.

Who is dead is decided in liveness.py. A job without a run (a sync, or one killed before its run began) did nothing that
repeating could harm: it goes back to the queue.
"""

from __future__ import annotations

import logging
import socket
from typing import Any

import psycopg

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError
from webhook_runner import liveness, run_processes, runs
from webhook_runner.converge import next_tries
from webhook_runner.database import Connection
from webhook_runner.ending import Result
from webhook_runner.queue import tenant_lock
from webhook_runner.services import Services
from webhook_runner.sql import query

_log = logging.getLogger(__name__)


def watch(services: Services) -> None:
    """Show that this process lives, recover, and queue what is due, every ``recovery_interval`` seconds until it stops."""
    while True:
        try:
            with services.registry.transaction() as connection:
                liveness.show(connection)
            recover(services)
            next_tries(services)
        except (PlatformError, psycopg.Error) as error:  # this thread is not to die of two workers that do the same
            _log.warning("recovery has to wait: %s", error)
        if services.stopping.wait(services.settings.recovery_interval):
            return


def recover(services: Services) -> int:
    """Settle the runs of dead workers and free their jobs; return how many runs were lost."""
    with services.registry.transaction() as connection:
        running = connection.execute(query("running_runs")).fetchall()
    lost = sum(_settle(services, row) for row in running)
    with services.registry.transaction() as connection:
        for job in connection.execute(query("stalled_jobs"), {"stalled_after": services.settings.stalled_after}).fetchall():
            outcome = connection.execute(query("requeue_job"), job).fetchone()
            _log.warning("job %s (%s) of a dead worker: %s", job["id"], job["task_name"], outcome and outcome["status"])
    return lost


def _settle(services: Services, row: dict[str, Any]) -> bool:
    with services.registry.transaction(cause=f"run:{row['id']}") as connection:
        if not liveness.is_dead(connection, row, silence=services.settings.stalled_after):
            return False
        if row["worker"].partition("/")[0] == socket.gethostname():
            run_processes.end(row["id"], grace=services.settings.run_grace)
        run = runs.Run(row["id"], row["verb"], row["tenant_id"], row["cause"], str(row["correlation_id"]), row["attempt"])
        result = Result("lost", -1, f"its worker {row['worker']} died")
        settled = runs.settle(connection, run, result, services.settings.tries())
        if settled:
            _free(connection, row)
            _log.error("run %s (%s of %s) was lost with its worker %s", row["id"], row["verb"], row["tenant_id"], row["worker"])
    return settled


def _free(connection: Connection, row: dict[str, Any]) -> None:
    """End the dead worker's job, which frees the tenant's lock in the queue."""
    lock = tenant_lock(row["tenant_id"]) if row["tenant_id"] else f"platform:{row['verb']}"
    connection.execute(query("fail_job_of_lock"), {"lock": lock})
