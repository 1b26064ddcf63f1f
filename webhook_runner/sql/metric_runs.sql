SELECT verb, status, count(*) AS value FROM ops.runs GROUP BY verb, status
