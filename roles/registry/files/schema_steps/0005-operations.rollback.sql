DROP TABLE ops.run_events, ops.runs, ops.events;
