-- One schema per concern; time is a port; the journal is append-only and hash-chained.
CREATE SCHEMA billing;
CREATE SCHEMA database;
CREATE SCHEMA tenant;
CREATE SCHEMA ops;
CREATE SCHEMA auth;
CREATE SCHEMA communication;

-- In test mode the platform's clock moves together with Kill Bill's: one row, one offset.
CREATE TABLE ops.clock (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    time_offset interval NOT NULL DEFAULT '0'
);
INSERT INTO ops.clock DEFAULT VALUES;

CREATE FUNCTION ops.now() RETURNS timestamptz LANGUAGE sql STABLE
AS $$ SELECT now() + time_offset FROM ops.clock $$;

CREATE TABLE ops.journal (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,              -- the login role and, if told, who used it
    cause text NOT NULL DEFAULT '',   -- event:<id>, run:<id>, operator:<name>, sweep
    correlation_id text NOT NULL DEFAULT '',
    subject text NOT NULL,            -- tenant:<id>, server:<name>, plan:<name>
    action text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    previous_hash text NOT NULL,
    hash text NOT NULL
);

-- Appends one entry. SECURITY DEFINER: components may call it but not write the table in any other way.
CREATE FUNCTION ops.append_journal(p_subject text, p_action text, p_detail jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_previous text;
    v_at timestamptz := clock_timestamp();
    v_actor text := session_user || coalesce('/' || nullif(current_setting('saasodoo.actor', true), ''), '');
    v_cause text := coalesce(current_setting('saasodoo.cause', true), '');
    v_correlation text := coalesce(current_setting('saasodoo.correlation_id', true), '');
    v_seq bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('ops.journal', 0));  -- the chain has one end
    SELECT hash INTO v_previous FROM ops.journal ORDER BY seq DESC LIMIT 1;
    v_previous := coalesce(v_previous, repeat('0', 64));
    INSERT INTO ops.journal (at, actor, cause, correlation_id, subject, action, detail, previous_hash, hash)
    VALUES (v_at, v_actor, v_cause, v_correlation, p_subject, p_action, p_detail, v_previous,
            encode(sha256(convert_to(concat_ws(E'\x1f', v_previous, extract(epoch FROM v_at)::text, v_actor, v_cause,
                v_correlation, p_subject, p_action, p_detail::text), 'UTF8')), 'hex'))
    RETURNING seq INTO v_seq;
    RETURN v_seq;
END $$;
