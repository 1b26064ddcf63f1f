-- A run that was settled as lost meanwhile stays lost.
UPDATE ops.runs SET status = %(status)s, exit_code = %(exit_code)s, message = %(message)s, finished_at = clock_timestamp(),
    next_try_at = clock_timestamp() + make_interval(secs => %(pause)s)
WHERE id = %(id)s AND status = 'running' RETURNING next_try_at
