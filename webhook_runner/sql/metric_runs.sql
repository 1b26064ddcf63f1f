SELECT verb, status, runs AS value FROM ops.run_totals
