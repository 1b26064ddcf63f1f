SELECT verb, avg(extract(epoch FROM finished_at - started_at)) AS value FROM ops.runs
WHERE finished_at > clock_timestamp() - interval '1 hour' GROUP BY verb
