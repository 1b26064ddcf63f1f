-- What Kill Bill said, as it said it. A hint: the truth is re-read from Kill Bill.
CREATE TABLE ops.events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    event_type text NOT NULL,
    account_id uuid,
    object_type text NOT NULL DEFAULT '',
    object_id text NOT NULL DEFAULT '',
    body jsonb NOT NULL,
    correlation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    handled_at timestamptz,
    outcome text NOT NULL DEFAULT ''
);
CREATE INDEX events_open ON ops.events (account_id) WHERE handled_at IS NULL;

-- One playbook execution.
CREATE TABLE ops.runs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid REFERENCES tenant.tenants,
    verb text NOT NULL,
    playbook text NOT NULL,
    cause text NOT NULL DEFAULT '',
    correlation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    status text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'timed_out', 'lost')),
    worker text NOT NULL DEFAULT '',
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    exit_code integer,
    message text NOT NULL DEFAULT ''
);
CREATE INDEX runs_tenant ON ops.runs (tenant_id, queued_at);
CREATE INDEX runs_open ON ops.runs (status) WHERE status IN ('queued', 'running');

CREATE TABLE ops.run_events (
    run_id uuid NOT NULL REFERENCES ops.runs ON DELETE CASCADE,
    seq integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    event text NOT NULL,
    task text NOT NULL DEFAULT '',
    host text NOT NULL DEFAULT '',
    duration double precision,                  -- seconds
    changed boolean,
    message text NOT NULL DEFAULT '',
    PRIMARY KEY (run_id, seq)
);
