-- Who may do what, from nothing. Applied as a whole after every step, by the superuser, in one transaction.
-- saasodoo_owner owns everything (and migrates it) but the journal: that belongs to a role nobody can log in as, so no
-- component, the owner included, may update, delete or truncate it.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'saasodoo_journal') THEN
        CREATE ROLE saasodoo_journal NOLOGIN;
    END IF;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO saasodoo_owner, saasodoo_operator, saasodoo_runner, saasodoo_inventory',
        current_database());
END $$;

ALTER TABLE ops.journal OWNER TO saasodoo_journal;
ALTER FUNCTION ops.append_journal(text, text, jsonb) OWNER TO saasodoo_journal;
REVOKE ALL ON ops.journal FROM saasodoo_owner;
GRANT SELECT ON ops.journal TO saasodoo_owner;

REVOKE ALL ON SCHEMA public, billing, database, tenant, ops, auth, communication
    FROM PUBLIC, saasodoo_operator, saasodoo_runner, saasodoo_inventory;
REVOKE ALL ON ALL TABLES IN SCHEMA public, billing, database, tenant, ops, auth, communication
    FROM PUBLIC, saasodoo_operator, saasodoo_runner, saasodoo_inventory;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public, billing, database, tenant, ops, auth, communication
    FROM PUBLIC, saasodoo_operator, saasodoo_runner, saasodoo_inventory;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public, billing, database, tenant, ops, auth, communication
    FROM PUBLIC, saasodoo_operator, saasodoo_runner, saasodoo_inventory;

GRANT USAGE ON SCHEMA ops TO saasodoo_journal;
GRANT EXECUTE ON FUNCTION ops.journal_hash(text, timestamptz, text, text, text, text, text, jsonb) TO saasodoo_journal;

-- The owner appends through its triggers, which run as it.
GRANT EXECUTE ON FUNCTION ops.append_journal(text, text, jsonb) TO saasodoo_owner, saasodoo_operator, saasodoo_runner;

-- What all may read: the fleet, its plans, servers and history, and the platform's time.
GRANT USAGE ON SCHEMA billing, database, tenant, ops TO saasodoo_operator, saasodoo_runner, saasodoo_inventory;
GRANT SELECT ON ALL TABLES IN SCHEMA billing, database, tenant TO saasodoo_operator, saasodoo_runner, saasodoo_inventory;
GRANT SELECT ON ops.clock, ops.journal, ops.runs, ops.run_totals, ops.migrations, ops.migration_steps
    TO saasodoo_operator, saasodoo_runner, saasodoo_inventory;
GRANT EXECUTE ON FUNCTION ops.now(), tenant.tenants_as_of(timestamptz), ops.journal_breaks(),
    ops.journal_hash(text, timestamptz, text, text, text, text, text, jsonb)
    TO saasodoo_operator, saasodoo_runner, saasodoo_inventory;

-- Playbooks: plans, servers, places, tenants, their storage, migrations (of whose steps none is ever changed), the clock of tests.
GRANT USAGE ON SCHEMA auth, communication TO saasodoo_operator;
GRANT SELECT ON ops.events, ops.run_events TO saasodoo_operator;
GRANT INSERT, UPDATE ON billing.plan_entitlements, billing.accounts, tenant.tenants, ops.runs TO saasodoo_operator;
GRANT INSERT ON billing.trials, ops.run_events TO saasodoo_operator;
GRANT INSERT, UPDATE, DELETE ON tenant.storage TO saasodoo_operator;
GRANT INSERT, UPDATE, DELETE ON database.servers, database.allocations TO saasodoo_operator;
GRANT INSERT, UPDATE ON ops.migrations TO saasodoo_operator;
GRANT INSERT ON ops.migration_steps TO saasodoo_operator;
GRANT UPDATE ON ops.clock TO saasodoo_operator;
GRANT SELECT, INSERT, UPDATE ON auth.users TO saasodoo_operator;
GRANT SELECT, DELETE ON auth.sessions TO saasodoo_operator;
GRANT SELECT, INSERT ON communication.outbox TO saasodoo_operator;

-- The webhook runner: what Kill Bill said and means, runs, jobs, mails, log-ins. Plans and servers it only reads.
GRANT USAGE ON SCHEMA auth, communication, public TO saasodoo_runner;
GRANT INSERT, UPDATE ON billing.accounts, tenant.tenants TO saasodoo_runner;
GRANT INSERT ON billing.trials TO saasodoo_runner;
GRANT SELECT, INSERT, UPDATE ON ops.events, ops.runs TO saasodoo_runner;
GRANT SELECT, INSERT ON ops.run_events TO saasodoo_runner;
GRANT EXECUTE ON FUNCTION ops.remove_expired(text, integer, integer) TO saasodoo_runner;
GRANT SELECT ON auth.users TO saasodoo_runner;
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.sessions TO saasodoo_runner;
GRANT SELECT, INSERT, UPDATE ON communication.outbox TO saasodoo_runner;

-- procrastinate's own objects, whatever their number in its version.
DO $$
DECLARE
    v_object record;
BEGIN
    FOR v_object IN
        SELECT c.oid::regclass AS name, c.relkind FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'procrastinate\_%' AND c.relkind IN ('r', 'S')
    LOOP
        IF v_object.relkind = 'S' THEN
            EXECUTE format('GRANT USAGE ON SEQUENCE %s TO saasodoo_runner', v_object.name);
        ELSE
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO saasodoo_runner', v_object.name);
        END IF;
    END LOOP;
    FOR v_object IN
        SELECT p.oid::regprocedure AS name FROM pg_proc AS p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'procrastinate\_%'
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO saasodoo_runner', v_object.name);
    END LOOP;
END $$;

-- A second bar, should a grant ever slip: the inventory's sessions are read-only.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = 'saasodoo_inventory'::regrole AND setdatabase = 0
                   AND 'default_transaction_read_only=on' = ANY (setconfig)) THEN
        ALTER ROLE saasodoo_inventory SET default_transaction_read_only = on;
    END IF;
END $$;
