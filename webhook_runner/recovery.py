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
from webhook_runner.kinds import kind_of
from webhook_runner.queue import tenant_lock
from webhook_runner.services import Services

_log = logging.getLogger(__name__)
_RUNNING_RUNS = """
SELECT id, tenant_id, kind, worker, cause, correlation_id, attempt FROM ops.runs WHERE status = 'running' ORDER BY started_at
"""
# Jobs whose worker is gone or silent, but for those whose run is still held, or about to be settled as lost.
_STALLED_JOBS = """
SELECT job.id, job.task_name, job.queueing_lock FROM procrastinate_jobs job
LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
WHERE job.status = 'doing'
  -- A registry that was away has heard nobody.
  AND pg_postmaster_start_time() < now() - make_interval(secs => %(stalled_after)s)
  AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => %(stalled_after)s))
  AND NOT EXISTS (
      SELECT FROM ops.runs run WHERE run.status = 'running'
      AND job.lock = CASE WHEN run.tenant_id IS NULL THEN 'platform:' || run.kind ELSE 'tenant:' || run.tenant_id END)
FOR UPDATE OF job SKIP LOCKED
"""
# Back to the queue, unless an equal job waits there already.
_REQUEUE_JOB = """
WITH waiting AS (
    SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE queueing_lock = %(queueing_lock)s AND status = 'todo') AS there
)
SELECT CASE WHEN there THEN 'an equal one waits' ELSE 'queued again' END AS status,
    CASE WHEN there THEN procrastinate_finish_job_v1(%(id)s, 'failed', false)
         ELSE procrastinate_retry_job_v2(%(id)s, now(), NULL, NULL, NULL) END
FROM waiting
"""
_FAIL_JOB_OF_LOCK = """
SELECT procrastinate_finish_job_v1(id, 'failed', false) FROM procrastinate_jobs WHERE lock = %(lock)s AND status = 'doing'
"""


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
        running = connection.execute(_RUNNING_RUNS).fetchall()
    lost = sum(_settle(services, row) for row in running)
    with services.registry.transaction() as connection:
        for job in connection.execute(_STALLED_JOBS, {"stalled_after": services.settings.stalled_after}).fetchall():
            outcome = connection.execute(_REQUEUE_JOB, job).fetchone()
            _log.warning("job %s (%s) of a dead worker: %s", job["id"], job["task_name"], outcome and outcome["status"])
    return lost


def _settle(services: Services, row: dict[str, Any]) -> bool:
    with services.registry.transaction(cause=f"run:{row['id']}") as connection:
        if not liveness.is_dead(connection, row, silence=services.settings.stalled_after):
            return False
        if row["worker"].partition("/")[0] == socket.gethostname():
            run_processes.end(row["id"], grace=services.settings.run_grace)
        run = runs.Run(
            row["id"], kind_of(row["kind"]), row["tenant_id"], row["cause"], str(row["correlation_id"]), row["attempt"]
        )
        result = Result("lost", -1, f"its worker {row['worker']} died")
        settled = runs.settle(connection, run, result, services.settings.tries())
        if settled:
            _free(connection, row)
            _log.error("run %s (%s of %s) was lost with its worker %s", row["id"], row["kind"], row["tenant_id"], row["worker"])
    return settled


def _free(connection: Connection, row: dict[str, Any]) -> None:
    """End the dead worker's job, which frees the tenant's lock in the queue."""
    lock = tenant_lock(row["tenant_id"]) if row["tenant_id"] else f"platform:{row['kind']}"
    connection.execute(_FAIL_JOB_OF_LOCK, {"lock": lock})
