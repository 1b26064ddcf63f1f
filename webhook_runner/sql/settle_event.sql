UPDATE ops.events SET handled_at = clock_timestamp(), outcome = %(outcome)s WHERE id = %(id)s
