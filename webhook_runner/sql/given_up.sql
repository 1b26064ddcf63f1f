-- Tenants in error since a run that was to bring up their Odoo was interrupted for the last time.
SELECT run.id, t.short_id, t.http_port FROM tenant.tenants t
CROSS JOIN LATERAL (
    SELECT id, verb, status, next_try_at FROM ops.runs WHERE tenant_id = t.id AND verb <> 'settle' ORDER BY queued_at DESC LIMIT 1
) run
WHERE t.status = 'error' AND t.http_port IS NOT NULL AND run.verb IN ('provision', 'start', 'restart', 'resume')
    AND run.status IN ('interrupted', 'lost') AND run.next_try_at IS NULL
