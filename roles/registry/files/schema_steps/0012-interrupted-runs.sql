-- A run that was interrupted goes on by itself: each try is a run of its own that names the one before.
ALTER TABLE ops.runs
    DROP CONSTRAINT runs_status_check,
    ADD CONSTRAINT runs_status_check
        CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'timed_out', 'interrupted', 'lost')),
    ADD COLUMN retry_of uuid REFERENCES ops.runs ON DELETE SET NULL,
    ADD COLUMN attempt integer NOT NULL DEFAULT 1 CHECK (attempt > 0),
    ADD COLUMN next_try_at timestamptz,         -- null: nothing tries it again by itself, or something has
    ADD COLUMN seen_at timestamptz;             -- when its worker last said that it lives
CREATE INDEX runs_next_try ON ops.runs (next_try_at) WHERE next_try_at IS NOT NULL;
CREATE INDEX runs_retry_of ON ops.runs (retry_of) WHERE retry_of IS NOT NULL;
