SELECT count(*) AS value FROM ops.events WHERE handled_at IS NULL
