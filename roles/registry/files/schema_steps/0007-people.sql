-- Who may log in, and the mails that are due.
CREATE TABLE auth.users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL CHECK (email LIKE '%_@_%'),
    name text NOT NULL DEFAULT '',
    role text NOT NULL CHECK (role IN ('operator', 'auditor', 'customer')),
    customer_id text,
    password_hash text NOT NULL DEFAULT '',     -- '': cannot log in with a password
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    CHECK ((role = 'customer') = (customer_id IS NOT NULL))
);
CREATE UNIQUE INDEX users_email ON auth.users (lower(email));

-- Only the hash of a session's token is kept: who reads this table cannot log in with it.
CREATE TABLE auth.sessions (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CHECK (expires_at > created_at)
);
CREATE INDEX sessions_user ON auth.sessions (user_id);
CREATE INDEX sessions_expiry ON auth.sessions (expires_at);

-- Written in the transaction that gives the reason, sent later: no mail for what did not happen, none forgotten.
CREATE TABLE communication.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dedupe_key text NOT NULL UNIQUE,            -- the same reason gives one mail, however often it is found
    recipient text NOT NULL,
    template text NOT NULL,
    variables jsonb NOT NULL DEFAULT '{}',
    tenant_id uuid REFERENCES tenant.tenants,
    correlation_id text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    last_error text NOT NULL DEFAULT ''
);
CREATE INDEX outbox_due ON communication.outbox (due_at) WHERE sent_at IS NULL;
