-- The last runs of a tenant, as far as they all were to settle its move for the same reason, and the seconds since the last one.
SELECT count(*)::int AS tries, extract(epoch FROM clock_timestamp() - max(coalesce(finished_at, queued_at)))::double precision AS ago
FROM ops.runs
WHERE tenant_id = %(tenant_id)s AND queued_at > coalesce(
    (SELECT max(queued_at) FROM ops.runs WHERE tenant_id = %(tenant_id)s AND (verb <> 'settle' OR cause <> %(cause)s)),
    '-infinity')
