SELECT verb, status, seconds AS value FROM ops.run_totals
