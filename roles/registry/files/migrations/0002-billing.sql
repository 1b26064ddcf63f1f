CREATE TABLE billing.plan_entitlements (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_name text NOT NULL,
    effective_date timestamptz NOT NULL,
    cpu_limit numeric(4, 2) NOT NULL CHECK (cpu_limit > 0),
    memory_limit text NOT NULL,
    storage_limit text NOT NULL,
    db_type text NOT NULL DEFAULT 'shared' CHECK (db_type IN ('shared', 'dedicated')),
    description text NOT NULL DEFAULT '',
    created_by text NOT NULL DEFAULT 'system',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (plan_name, effective_date)
);
CREATE INDEX plan_entitlements_db_type ON billing.plan_entitlements (db_type);

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
