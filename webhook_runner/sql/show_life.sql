UPDATE ops.runs SET seen_at = clock_timestamp() WHERE status = 'running' AND worker = %(worker)s
