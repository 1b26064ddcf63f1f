-- Written again where its end was not heard: it is the same run.
INSERT INTO ops.runs (id, tenant_id, verb, playbook, cause, correlation_id, status, worker, started_at, retry_of, attempt)
SELECT %(id)s, %(tenant_id)s, %(verb)s, %(playbook)s, %(cause)s, coalesce(%(correlation_id)s, gen_random_uuid()), 'running',
    %(worker)s, clock_timestamp(), %(again)s, CASE WHEN before.next_try_at IS NULL THEN 1 ELSE before.attempt + 1 END
FROM (SELECT) AS one LEFT JOIN ops.runs before ON before.id = %(again)s
ON CONFLICT (id) DO UPDATE SET status = ops.runs.status
RETURNING correlation_id, attempt
