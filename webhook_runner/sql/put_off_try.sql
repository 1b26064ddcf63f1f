UPDATE ops.runs SET next_try_at = clock_timestamp() + make_interval(secs => %(pause)s) WHERE id = %(id)s AND next_try_at IS NOT NULL
