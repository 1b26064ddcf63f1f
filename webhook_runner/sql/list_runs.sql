SELECT id, tenant_id, verb, playbook, cause, correlation_id, status, worker, queued_at, started_at, finished_at, exit_code, message,
    retry_of, attempt, next_try_at,
    extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at)::double precision AS duration
FROM ops.runs
WHERE (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s) AND (%(status)s::text IS NULL OR status = %(status)s)
ORDER BY queued_at DESC LIMIT %(limit)s
