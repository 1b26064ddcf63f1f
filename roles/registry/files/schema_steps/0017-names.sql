-- What becomes a path, a port or a name is checked where it is kept, whoever writes it. Same rules as in plugins/module_utils/domain,
-- each named beside its own (tests/integration/registry/test_registry_names.py compares them).
ALTER TABLE tenant.tenants
    -- domain/tenant/tenant.py: database_name; the second is what templates and their owner are called, domain/odoo/template.py
    ADD CONSTRAINT tenants_database_name_is_one CHECK (
        database_name ~ '^odoo_[a-z0-9_]{1,49}$' AND database_name !~ '^odoo_template(_[0-9a-f]{16})?$'),
    -- domain/odoo/version.py: NAME
    ADD CONSTRAINT tenants_odoo_version_is_one CHECK (odoo_version ~ '^[a-z0-9]+([.~-][a-z0-9]+)*$'),
    -- domain/tenant/subdomain.py: check_subdomain, of which the label was checked before
    ADD CONSTRAINT tenants_subdomain_is_free CHECK (subdomain !~ '^..--' AND subdomain NOT IN (
        'admin', 'all', 'api', 'autoconfig', 'autodiscover', 'billing', 'console', 'ftp', 'kaui', 'killbill', 'local', 'localhost',
        'login', 'mail', 'none', 'ns1', 'ns2', 'null', 'platform', 'portal', 'postgres', 'registry', 'smtp', 'status', 'support',
        'tenants', 'true', 'ungrouped', 'webmail', 'www'));

ALTER TABLE database.servers
    -- domain/server/database_server.py: HOST
    ADD CONSTRAINT servers_host_is_one CHECK (host ~ '^[A-Za-z0-9:]([A-Za-z0-9._:-]{0,252})$'),
    ADD CONSTRAINT servers_pooler_host_is_one CHECK (pooler_host ~ '^[A-Za-z0-9:]([A-Za-z0-9._:-]{0,252})$'),
    -- domain/billing/plan.py: parse_size
    ADD CONSTRAINT servers_memory_limit_is_one CHECK (memory_limit ~* '^[0-9]+ *[KMGT]?(i?B)?$'),
    ADD CONSTRAINT servers_ports_differ CHECK (port <> pooler_port);

-- domain/billing/plan.py: NAME
ALTER TABLE billing.plan_entitlements ADD CONSTRAINT plan_name_is_one CHECK (plan_name ~ '^[a-z][a-z0-9-]{0,62}$');

-- A playbook is a file of playbooks/.
ALTER TABLE ops.runs
    ADD CONSTRAINT runs_playbook_is_one CHECK (playbook ~ '^[a-z][a-z0-9_]{0,99}\.yml$'),
    ADD CONSTRAINT runs_kind_is_one CHECK (kind ~ '^[a-z][a-z_]{0,49}$');

ALTER TABLE ops.migrations
    ADD CONSTRAINT migrations_database_name_is_one CHECK (database_name ~ '^odoo_[a-z0-9_]{1,49}$'),
    ADD CONSTRAINT migrations_source_is_one CHECK (source ~ '^[a-z][a-z0-9-]{0,39}$'),
    ADD CONSTRAINT migrations_target_is_one CHECK (target ~ '^[a-z][a-z0-9-]{0,39}$');

-- Which ports are tenants', as the inventory says: kept by playbooks/registry.yml, and by nobody else. No row: any.
CREATE TABLE tenant.port_range (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    first_port integer NOT NULL CHECK (first_port >= 1024),
    last_port integer NOT NULL CHECK (last_port BETWEEN first_port AND 65535)
);

-- A tenant's address leads to its port, so that is no other part's of the platform. Who has one keeps it when the range is changed.
CREATE FUNCTION tenant.check_port() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF EXISTS (SELECT FROM tenant.port_range WHERE NEW.http_port NOT BETWEEN first_port AND last_port)
        OR EXISTS (SELECT FROM database.servers WHERE NEW.http_port IN (port, pooler_port)) THEN
        RAISE EXCEPTION 'port % is not for tenants', NEW.http_port
            USING ERRCODE = 'check_violation', CONSTRAINT = 'tenants_http_port_is_one';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER check_port BEFORE INSERT ON tenant.tenants
FOR EACH ROW WHEN (NEW.http_port IS NOT NULL) EXECUTE FUNCTION tenant.check_port();
CREATE TRIGGER check_port_change BEFORE UPDATE ON tenant.tenants
FOR EACH ROW WHEN (NEW.http_port IS DISTINCT FROM OLD.http_port AND NEW.http_port IS NOT NULL)
EXECUTE FUNCTION tenant.check_port();
