DROP TRIGGER count_run ON ops.runs;
DROP FUNCTION ops.count_run();
DROP TABLE ops.run_totals;
