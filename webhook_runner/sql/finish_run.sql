-- A run that was settled as lost meanwhile stays lost.
UPDATE ops.runs SET status = %(status)s, exit_code = %(exit_code)s, message = %(message)s, finished_at = clock_timestamp()
WHERE id = %(id)s AND status = 'running' RETURNING id
