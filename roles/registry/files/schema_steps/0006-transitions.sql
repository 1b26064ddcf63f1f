-- The lifecycle table, enforced: no status changes but along these, whoever writes. Same as transitions() in
-- domain/tenant/lifecycle.py (a test compares them); a verb added there comes with a step that adds its pairs here.
CREATE TABLE tenant.allowed_transitions (
    from_status text NOT NULL,
    to_status text NOT NULL,
    PRIMARY KEY (from_status, to_status)
);
INSERT INTO tenant.allowed_transitions
SELECT from_status, unnest(string_to_array(to_statuses, ' ')) FROM (VALUES
    ('creating', 'error running starting stopping terminated waiting_for_database'),
    ('error', 'paused running starting stopped stopping terminated waiting_for_database'),
    ('migrating', 'error'),
    ('paused', 'error running starting stopping terminated'),
    ('running', 'error paused starting stopped stopping terminated'),
    ('starting', 'error running stopping terminated waiting_for_database'),
    ('stopped', 'error paused running starting stopping terminated'),
    ('stopping', 'error paused running starting stopped terminated'),
    ('waiting_for_database', 'error running starting stopping terminated')
) AS allowed (from_status, to_statuses);

CREATE FUNCTION tenant.check_transition() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF NEW.status <> OLD.status AND NOT EXISTS (
        SELECT FROM tenant.allowed_transitions WHERE from_status = OLD.status AND to_status = NEW.status
    ) THEN
        RAISE EXCEPTION 'tenant % cannot go from % to %', NEW.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'allowed_transitions';
    END IF;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;

CREATE TRIGGER check_transition BEFORE UPDATE ON tenant.tenants
FOR EACH ROW EXECUTE FUNCTION tenant.check_transition();

-- The server of a tenant at a past moment is read from the journal.
CREATE INDEX journal_subject ON ops.journal (subject, seq);
