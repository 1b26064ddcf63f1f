-- A tenant's database moves from one server to another; the old one, the former, is kept for a while.

-- A tenant has its home, while it moves a target, and after that a former database: each on a server of its own.
ALTER TABLE database.allocations
    ADD COLUMN purpose text NOT NULL DEFAULT 'home' CHECK (purpose IN ('home', 'target', 'former')),
    DROP CONSTRAINT allocations_pkey,
    ADD PRIMARY KEY (tenant_id, purpose),
    ADD UNIQUE (tenant_id, server_name),
    ADD CHECK (purpose <> 'former' OR state = 'in_use');    -- what holds data never expires

-- The plan whose limits and type of database the tenant runs with (null: not known), and the one that could not be applied,
-- which only a person tries again (null: none).
ALTER TABLE tenant.tenants ADD COLUMN applied_plan text, ADD COLUMN failed_plan text;
-- Known of those that lie where their plan wants them; for the others the plan is yet to be applied.
UPDATE tenant.tenants t SET applied_plan = t.plan_name
FROM database.allocations a JOIN database.servers s ON s.name = a.server_name
WHERE a.tenant_id = t.id AND t.provisioning_status = 'ready' AND s.server_type = (
    SELECT e.db_type FROM billing.plan_entitlements e WHERE e.plan_name = t.plan_name AND e.effective_date <= ops.now()
    ORDER BY e.effective_date DESC LIMIT 1
);

-- resize and migrate, see domain/tenant/lifecycle.py.
INSERT INTO tenant.allowed_transitions VALUES
    ('error', 'migrating'), ('running', 'migrating'), ('stopped', 'migrating'), ('migrating', 'running'), ('migrating', 'stopped');

CREATE TABLE ops.migrations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenant.tenants,
    database_name text NOT NULL,
    strategy text NOT NULL CHECK (strategy IN ('online', 'offline')),
    reason text NOT NULL DEFAULT '',            -- why it moves, and why by this strategy
    source text NOT NULL,                       -- names of servers; history may outlive them
    target text NOT NULL CHECK (target <> source),
    status text NOT NULL DEFAULT 'under_way' CHECK (status IN ('under_way', 'kept', 'returned', 'settled', 'undone')),
    tenant_status text NOT NULL CHECK (tenant_status IN ('running', 'stopped')),    -- what it was, and is to be again
    progress jsonb NOT NULL DEFAULT '{}',       -- figures for people: bytes, tables, lag
    report jsonb,                               -- the proof that nothing was lost
    message text NOT NULL DEFAULT '',
    cause text NOT NULL DEFAULT coalesce(current_setting('saasodoo.cause', true), ''),
    started_at timestamptz NOT NULL DEFAULT ops.now(),
    switched_at timestamptz,                    -- since when the tenant lives on target
    way_back_until timestamptz,                 -- until when source follows target; null: no way back without loss
    keep_until timestamptz,                     -- until when the former database is kept
    finished_at timestamptz,                    -- nothing of the migration is left anywhere
    CHECK ((finished_at IS NULL) = (status IN ('under_way', 'kept')))
);
CREATE UNIQUE INDEX migrations_open ON ops.migrations (tenant_id) WHERE finished_at IS NULL;
CREATE INDEX migrations_tenant ON ops.migrations (tenant_id, started_at);

-- What a run did, before and after it did it: what the next run goes by when it died.
CREATE TABLE ops.migration_steps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration_id uuid NOT NULL REFERENCES ops.migrations,
    course text NOT NULL CHECK (course IN ('online', 'offline', 'return', 'undo', 'settle')),
    step text NOT NULL CHECK (step <> ''),
    state text NOT NULL CHECK (state IN ('begun', 'done', 'failed', 'undone')),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX migration_steps_migration ON ops.migration_steps (migration_id, id);

-- Progress comes often and the report is long: neither is for the journal.
CREATE FUNCTION ops.record_migration() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM ops.append_journal('tenant:' || NEW.tenant_id, 'migration ' || NEW.status, to_jsonb(NEW) - 'progress' - 'report');
    RETURN NULL;
END $$;

CREATE TRIGGER record_migration AFTER INSERT ON ops.migrations
FOR EACH ROW EXECUTE FUNCTION ops.record_migration();
CREATE TRIGGER record_migration_change AFTER UPDATE ON ops.migrations FOR EACH ROW
WHEN ((OLD.status, OLD.switched_at, OLD.way_back_until, OLD.keep_until)
    IS DISTINCT FROM (NEW.status, NEW.switched_at, NEW.way_back_until, NEW.keep_until))
EXECUTE FUNCTION ops.record_migration();
