UPDATE ops.runs SET status = 'lost' WHERE status = 'interrupted';
ALTER TABLE ops.runs
    DROP COLUMN retry_of,
    DROP COLUMN attempt,
    DROP COLUMN next_try_at,
    DROP COLUMN seen_at,
    DROP CONSTRAINT runs_status_check,
    ADD CONSTRAINT runs_status_check CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'timed_out', 'lost'));
