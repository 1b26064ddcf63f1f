SELECT id, verb FROM ops.runs WHERE tenant_id = %(tenant_id)s ORDER BY queued_at DESC LIMIT 1
