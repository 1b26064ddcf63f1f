UPDATE ops.runs SET next_try_at = clock_timestamp() WHERE id = %(id)s AND next_try_at IS NULL
