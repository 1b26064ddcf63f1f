SELECT id, tenant_id, verb, playbook, cause, correlation_id, status, worker, queued_at, started_at, finished_at, exit_code, message,
    retry_of, attempt, next_try_at,
    extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at)::double precision AS duration
FROM ops.runs WHERE id = %(id)s
