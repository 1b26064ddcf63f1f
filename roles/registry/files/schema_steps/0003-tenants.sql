CREATE TABLE tenant.tenants (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    short_id text NOT NULL UNIQUE GENERATED ALWAYS AS (left(replace(id::text, '-', ''), 12)) STORED,
    subdomain text CHECK (subdomain ~ '^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$'),  -- null: none could be given, see status_message
    customer_id text NOT NULL,
    account_id uuid,
    subscription_id uuid UNIQUE,
    plan_name text NOT NULL,
    status text NOT NULL DEFAULT 'creating' CHECK (status IN ('creating', 'waiting_for_database', 'starting', 'running',
        'stopping', 'stopped', 'paused', 'migrating', 'terminated', 'error')),
    provisioning_status text NOT NULL DEFAULT 'pending'
        CHECK (provisioning_status IN ('pending', 'provisioning', 'ready', 'terminated')),
    billing_status text NOT NULL DEFAULT 'payment_required'
        CHECK (billing_status IN ('trial', 'payment_required', 'paid', 'overdue', 'suspended')),
    operation text,                             -- the verb under way, null when at rest
    status_message text NOT NULL DEFAULT '',
    desired_state text NOT NULL DEFAULT 'waiting'
        CHECK (desired_state IN ('waiting', 'running', 'suspended', 'terminated', 'manual')),
    cancel_at timestamptz,                      -- end of term, once cancellation is requested
    database_name text NOT NULL UNIQUE,
    http_port integer UNIQUE CHECK (http_port BETWEEN 1024 AND 65535),
    odoo_version text NOT NULL,
    secret_generation integer NOT NULL DEFAULT 1 CHECK (secret_generation > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    terminated_at timestamptz
);
-- A subdomain is free again once its tenant is terminated.
CREATE UNIQUE INDEX tenants_subdomain ON tenant.tenants (subdomain) WHERE status <> 'terminated';
CREATE INDEX tenants_account ON tenant.tenants (account_id);
CREATE INDEX tenants_customer ON tenant.tenants (customer_id);

-- Every version of a tenant's row with its validity, so that the fleet can be read as of any moment.
CREATE TABLE tenant.tenant_versions (
    tenant_id uuid NOT NULL,
    valid tstzrange NOT NULL,
    row jsonb NOT NULL,
    PRIMARY KEY (tenant_id, valid)
);
CREATE INDEX tenant_versions_valid ON tenant.tenant_versions USING gist (valid);

CREATE TABLE tenant.transitions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant.tenants,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    verb text NOT NULL DEFAULT '',
    from_status text,
    to_status text NOT NULL,
    message text NOT NULL DEFAULT '',
    cause text NOT NULL DEFAULT '',
    journal_seq bigint NOT NULL
);
CREATE INDEX transitions_tenant ON tenant.transitions (tenant_id, id);

-- A change of a tenant, its history, its transition and its journal entry are one write, whoever makes it.
CREATE FUNCTION tenant.record_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_before jsonb := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) - 'updated_at' ELSE '{}' END;
    v_after jsonb := to_jsonb(NEW) - 'updated_at';
    v_seq bigint;
BEGIN
    IF v_before = v_after THEN
        RETURN NULL;
    END IF;
    -- Versions follow one another even where the machine's clock is set back.
    SELECT greatest(v_now, lower(valid) + interval '1 microsecond') INTO v_now
    FROM tenant.tenant_versions WHERE tenant_id = NEW.id AND upper_inf(valid);
    v_now := coalesce(v_now, clock_timestamp());
    UPDATE tenant.tenant_versions SET valid = tstzrange(lower(valid), v_now)
    WHERE tenant_id = NEW.id AND upper_inf(valid);
    INSERT INTO tenant.tenant_versions VALUES (NEW.id, tstzrange(v_now, NULL), to_jsonb(NEW));
    v_seq := ops.append_journal('tenant:' || NEW.id, lower(TG_OP),
        (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(v_after) WHERE value IS DISTINCT FROM v_before -> key));
    IF v_before ->> 'status' IS DISTINCT FROM NEW.status THEN
        INSERT INTO tenant.transitions (tenant_id, verb, from_status, to_status, message, cause, journal_seq)
        VALUES (NEW.id, coalesce(NEW.operation, v_before ->> 'operation', ''), v_before ->> 'status', NEW.status,
                NEW.status_message, coalesce(current_setting('saasodoo.cause', true), ''), v_seq);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER record_version AFTER INSERT OR UPDATE ON tenant.tenants
FOR EACH ROW EXECUTE FUNCTION tenant.record_version();

-- The fleet as it was at a moment: one row per tenant that existed.
CREATE FUNCTION tenant.tenants_as_of(p_moment timestamptz) RETURNS SETOF tenant.tenants
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT (jsonb_populate_record(NULL::tenant.tenants, row)).* FROM tenant.tenant_versions WHERE valid @> p_moment
$$;
