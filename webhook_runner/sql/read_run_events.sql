SELECT seq, at, event, task, host, duration, changed, message FROM ops.run_events WHERE run_id = %(id)s AND seq > %(after)s ORDER BY seq
