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

-- Not even the table's owner changes the past; privileges (grants.sql) keep the others out before this does.
CREATE FUNCTION ops.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.journal
FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_change();

-- What an entry's hash is made of. The moment goes in as seconds, which no session's time zone changes.
CREATE FUNCTION ops.journal_hash(p_previous text, p_at timestamptz, p_actor text, p_cause text, p_correlation text,
    p_subject text, p_action text, p_detail jsonb) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog
AS $$ SELECT encode(sha256(convert_to(concat_ws(E'\x1f', p_previous, extract(epoch FROM p_at)::text, p_actor, p_cause,
    p_correlation, p_subject, p_action, p_detail::text), 'UTF8')), 'hex') $$;

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
            ops.journal_hash(v_previous, v_at, v_actor, v_cause, v_correlation, p_subject, p_action, p_detail))
    RETURNING seq INTO v_seq;
    RETURN v_seq;
END $$;

-- The entries at which the chain is broken: none, unless someone has changed the table behind the platform's back.
-- (What is cut off at the end leaves no break: compare the last hash with one kept elsewhere.)
CREATE FUNCTION ops.journal_breaks() RETURNS TABLE (seq bigint, problem text)
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT e.seq, CASE WHEN e.previous_hash <> e.hash_before THEN 'an entry before it is gone or changed' ELSE 'changed' END
    FROM (SELECT *, coalesce(lag(hash) OVER (ORDER BY seq), repeat('0', 64)) AS hash_before FROM ops.journal) AS e
    WHERE e.previous_hash <> e.hash_before
       OR e.hash <> ops.journal_hash(e.previous_hash, e.at, e.actor, e.cause, e.correlation_id, e.subject, e.action, e.detail)
    ORDER BY e.seq
$$;
