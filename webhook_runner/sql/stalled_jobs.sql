-- Jobs whose worker is gone or silent, but for those whose run is still held, or about to be settled as lost.
SELECT job.id, job.task_name, job.queueing_lock FROM procrastinate_jobs job
LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
WHERE job.status = 'doing'
  -- A registry that was away has heard nobody.
  AND pg_postmaster_start_time() < now() - make_interval(secs => %(stalled_after)s)
  AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => %(stalled_after)s))
  AND NOT EXISTS (
      SELECT FROM ops.runs run WHERE run.status = 'running'
      AND job.lock = CASE WHEN run.tenant_id IS NULL THEN 'platform:' || run.verb ELSE 'tenant:' || run.tenant_id END)
FOR UPDATE OF job SKIP LOCKED
