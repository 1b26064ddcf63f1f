DROP FUNCTION ops.remove_expired(text, integer, integer);
DROP INDEX ops.events_handled, ops.runs_finished;
