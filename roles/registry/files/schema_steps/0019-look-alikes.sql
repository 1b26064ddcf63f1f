-- A name that looks like an address of the platform is no tenant's (domain/tenant/subdomain.py: SEEN). Who has one keeps it.
CREATE FUNCTION tenant.check_look_alike() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF replace(replace(translate(NEW.subdomain, '0134578i-', 'oleastbl'), 'rn', 'm'), 'vv', 'w') IN (
        'admln', 'bllllng', 'console', 'kaul', 'klllblll', 'logln', 'portal', 'reglstry', 'status', 'support', 'webmall', 'www') THEN
        RAISE EXCEPTION 'subdomain % looks like an address of the platform', NEW.subdomain
            USING ERRCODE = 'check_violation', CONSTRAINT = 'tenants_subdomain_is_no_look_alike';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER check_look_alike BEFORE INSERT ON tenant.tenants
FOR EACH ROW EXECUTE FUNCTION tenant.check_look_alike();
CREATE TRIGGER check_changed_look_alike BEFORE UPDATE ON tenant.tenants
FOR EACH ROW WHEN (NEW.subdomain IS DISTINCT FROM OLD.subdomain) EXECUTE FUNCTION tenant.check_look_alike();
