SELECT id, tenant_id, verb, worker, cause, correlation_id, attempt FROM ops.runs WHERE status = 'running' ORDER BY started_at
