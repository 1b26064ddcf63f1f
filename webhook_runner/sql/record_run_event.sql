INSERT INTO ops.run_events (run_id, seq, event, task, host, duration, changed, message)
VALUES (%(run_id)s, %(seq)s, %(event)s, %(task)s, %(host)s, %(duration)s, %(changed)s, %(message)s)
ON CONFLICT DO NOTHING
