SELECT id, tenant_id, verb, worker FROM ops.runs WHERE status = 'running' ORDER BY started_at
