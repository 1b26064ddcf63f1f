-- What tenants' databases take of their plans' storage (domain/tenant/storage.py). What follows from it is in the journal.
CREATE TABLE tenant.storage (
    tenant_id uuid PRIMARY KEY REFERENCES tenant.tenants ON DELETE CASCADE,
    used bigint NOT NULL CHECK (used >= 0),     -- bytes
    allowed bigint NOT NULL CHECK (allowed >= 0),
    level text NOT NULL CHECK (level IN ('within', 'near', 'over', 'read_only')),
    over_since timestamptz,
    measured_at timestamptz NOT NULL,
    CHECK ((over_since IS NOT NULL) = (level IN ('over', 'read_only')))
);

CREATE FUNCTION tenant.journal_storage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ops.append_journal('tenant:' || NEW.tenant_id, 'storage ' || NEW.level, to_jsonb(NEW));
    RETURN NULL;
END $$;
CREATE TRIGGER journal_first AFTER INSERT ON tenant.storage
FOR EACH ROW WHEN (NEW.level <> 'within') EXECUTE FUNCTION tenant.journal_storage();
CREATE TRIGGER journal_change AFTER UPDATE ON tenant.storage
FOR EACH ROW WHEN (NEW.level <> OLD.level) EXECUTE FUNCTION tenant.journal_storage();
