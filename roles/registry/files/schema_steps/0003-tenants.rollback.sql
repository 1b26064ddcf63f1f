DROP FUNCTION tenant.tenants_as_of(timestamptz);
DROP TABLE tenant.transitions, tenant.tenant_versions, tenant.tenants;
DROP FUNCTION tenant.record_version();
