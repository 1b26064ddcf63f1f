CREATE TABLE database.servers (
    name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,39}$'),
    server_type text NOT NULL CHECK (server_type IN ('shared', 'dedicated')),
    status text NOT NULL DEFAULT 'provisioning'
        CHECK (status IN ('provisioning', 'active', 'draining', 'retired', 'error')),
    health_status text NOT NULL DEFAULT 'unknown' CHECK (health_status IN ('unknown', 'healthy', 'unhealthy')),
    health_message text NOT NULL DEFAULT '',
    health_checked_at timestamptz,
    host text NOT NULL DEFAULT '127.0.0.1',
    port integer NOT NULL UNIQUE CHECK (port BETWEEN 1024 AND 65535),
    pooler_port integer NOT NULL UNIQUE CHECK (pooler_port BETWEEN 1024 AND 65535),
    max_instances integer NOT NULL CHECK (max_instances > 0 AND (server_type = 'shared' OR max_instances = 1)),
    cpu_limit numeric(4, 2) NOT NULL,
    memory_limit text NOT NULL,
    builder text NOT NULL DEFAULT '',           -- who makes it while status is provisioning ...
    builder_lease timestamptz,                  -- ... and until when nobody else takes that over
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (name, max_instances)
);

-- One row per place taken. Slot, foreign key, check and unique constraints make overfilling impossible
-- even if the code that chooses is wrong.
CREATE TABLE database.allocations (
    tenant_id uuid PRIMARY KEY REFERENCES tenant.tenants,
    server_name text NOT NULL,
    max_instances integer NOT NULL,
    slot integer NOT NULL CHECK (slot BETWEEN 1 AND max_instances),
    state text NOT NULL DEFAULT 'reserved' CHECK (state IN ('reserved', 'in_use')),
    expires_at timestamptz,                     -- of a reservation; null once in use
    explanation jsonb NOT NULL DEFAULT '[]',    -- which servers were considered, and why each was or was not taken
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (server_name, max_instances) REFERENCES database.servers (name, max_instances) ON UPDATE CASCADE,
    UNIQUE (server_name, slot),
    CHECK ((state = 'in_use') = (expires_at IS NULL))
);

CREATE FUNCTION database.record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_row jsonb := to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END);
BEGIN
    IF TG_TABLE_NAME = 'servers' THEN
        PERFORM ops.append_journal('server:' || (v_row ->> 'name'), lower(TG_OP), v_row);
    ELSE
        PERFORM ops.append_journal('tenant:' || (v_row ->> 'tenant_id'), 'allocation ' || lower(TG_OP), v_row);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER record_allocation AFTER INSERT OR UPDATE OR DELETE ON database.allocations
FOR EACH ROW EXECUTE FUNCTION database.record_change();
-- A health check that finds nothing new is not worth an entry.
CREATE TRIGGER record_server_change AFTER UPDATE ON database.servers FOR EACH ROW
WHEN (OLD.status <> NEW.status OR OLD.health_status <> NEW.health_status OR OLD.max_instances <> NEW.max_instances)
EXECUTE FUNCTION database.record_change();
CREATE TRIGGER record_server AFTER INSERT OR DELETE ON database.servers
FOR EACH ROW EXECUTE FUNCTION database.record_change();
