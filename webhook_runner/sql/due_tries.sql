-- The next tries whose time has come. Each is asked for again after a minute, should whoever took it die before it began.
UPDATE ops.runs SET next_try_at = clock_timestamp() + interval '1 minute'
WHERE next_try_at <= clock_timestamp() RETURNING id, tenant_id, verb, correlation_id
