UPDATE ops.runs SET next_try_at = NULL WHERE tenant_id = %(tenant_id)s AND next_try_at IS NOT NULL
