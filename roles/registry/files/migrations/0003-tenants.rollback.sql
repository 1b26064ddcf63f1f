DROP TABLE tenant.transitions, tenant.tenant_versions, tenant.tenants;
DROP FUNCTION tenant.record_version();
