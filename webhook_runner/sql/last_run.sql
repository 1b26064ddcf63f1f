-- The last one that somebody wanted: what settles a move comes round by itself.
SELECT id, verb FROM ops.runs WHERE tenant_id = %(tenant_id)s AND verb <> 'settle' ORDER BY queued_at DESC LIMIT 1
