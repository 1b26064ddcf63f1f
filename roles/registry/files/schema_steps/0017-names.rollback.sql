DROP TRIGGER check_port_change ON tenant.tenants;
DROP TRIGGER check_port ON tenant.tenants;
DROP FUNCTION tenant.check_port();
DROP TABLE tenant.port_range;
ALTER TABLE ops.migrations
    DROP CONSTRAINT migrations_target_is_one,
    DROP CONSTRAINT migrations_source_is_one,
    DROP CONSTRAINT migrations_database_name_is_one;
ALTER TABLE ops.runs DROP CONSTRAINT runs_kind_is_one, DROP CONSTRAINT runs_playbook_is_one;
ALTER TABLE billing.plan_entitlements DROP CONSTRAINT plan_name_is_one;
ALTER TABLE database.servers
    DROP CONSTRAINT servers_ports_differ,
    DROP CONSTRAINT servers_memory_limit_is_one,
    DROP CONSTRAINT servers_pooler_host_is_one,
    DROP CONSTRAINT servers_host_is_one;
ALTER TABLE tenant.tenants
    DROP CONSTRAINT tenants_subdomain_is_free,
    DROP CONSTRAINT tenants_odoo_version_is_one,
    DROP CONSTRAINT tenants_database_name_is_one;
