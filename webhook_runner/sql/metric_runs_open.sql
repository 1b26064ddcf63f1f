SELECT verb, status, count(*) AS value FROM ops.runs WHERE status IN ('queued', 'running') GROUP BY verb, status
