INSERT INTO ops.runs (id, tenant_id, verb, playbook, cause, correlation_id, status, worker, started_at)
VALUES (%(id)s, %(tenant_id)s, %(verb)s, %(playbook)s, %(cause)s, coalesce(%(correlation_id)s, gen_random_uuid()), 'running',
        %(worker)s, clock_timestamp())
RETURNING correlation_id
