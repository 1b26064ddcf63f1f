CREATE TABLE billing.plan_entitlements (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_name text NOT NULL,
    effective_date timestamptz NOT NULL,
    cpu_limit numeric(4, 2) NOT NULL CHECK (cpu_limit > 0),
    memory_limit text NOT NULL CHECK (memory_limit ~* '^[0-9]+ *[KMGT]?(i?B)?$'),  -- parse_size in domain/billing/plan.py
    storage_limit text NOT NULL CHECK (storage_limit ~* '^[0-9]+ *[KMGT]?(i?B)?$'),
    db_type text NOT NULL DEFAULT 'shared' CHECK (db_type IN ('shared', 'dedicated')),
    description text NOT NULL DEFAULT '',
    created_by text NOT NULL DEFAULT 'system',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (plan_name, effective_date)
);
CREATE INDEX plan_entitlements_db_type ON billing.plan_entitlements (db_type);

-- What was promised stays as it was: a change takes a new effective_date. Every change is journaled.
CREATE FUNCTION billing.record_plan() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_row jsonb := to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END);
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.effective_date <= ops.now() THEN
        RAISE EXCEPTION 'plan % of % is in force: add a new effective_date', OLD.plan_name, OLD.effective_date
            USING ERRCODE = 'check_violation', CONSTRAINT = 'plan_in_force';
    END IF;
    PERFORM ops.append_journal('plan:' || (v_row ->> 'plan_name'), lower(TG_OP), v_row);
    RETURN NULL;
END $$;

CREATE TRIGGER record_plan AFTER INSERT OR UPDATE OR DELETE ON billing.plan_entitlements
FOR EACH ROW EXECUTE FUNCTION billing.record_plan();

CREATE TABLE billing.accounts (
    account_id uuid PRIMARY KEY,                -- Kill Bill's id
    customer_id text NOT NULL UNIQUE,           -- Kill Bill's externalKey
    overdue_state text NOT NULL DEFAULT '',     -- '' is clear
    balance numeric NOT NULL DEFAULT 0,
    synced_at timestamptz NOT NULL DEFAULT now()
);

-- One trial per customer for life: the primary key is the rule.
CREATE TABLE billing.trials (
    customer_id text PRIMARY KEY,
    subscription_id uuid NOT NULL UNIQUE,
    started_at timestamptz NOT NULL DEFAULT now()
);
